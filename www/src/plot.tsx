// A plot of values over time.

import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

/** The colours of the lines, in turn. */
export const TONES = ["saved", "waits", "bad"] as const;

interface PlotProps {
  testid: string;
  names: string[];
  /** The seconds of the values. */
  seconds: number[];
  /** The values of each name. */
  values: (number | null)[][];
  /** Whether a value holds until the next one. */
  stepped?: boolean;
}

/** A line for each name. */
export function Plot({ testid, names, seconds, values, stepped = false }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const parent = box.current;
    if (parent === null || names.length === 0) return;
    const size = () => ({ width: parent.clientWidth, height: 240 });
    // A canvas needs the colours themselves, and they change with the theme.
    const colour = (name: string) => () => getComputedStyle(parent.querySelector(`.${name}`) ?? parent).color;
    const axis: uPlot.Axis = { stroke: colour("muted-ink"), grid: { stroke: colour("line-ink"), width: 1 }, ticks: { show: false } };
    const axes = [{ ...axis, size: 28, values: (_: uPlot, at: number[]) => at.map((second) => `${second} s`) }, { ...axis, size: 56 }];
    const paths = stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
    const series = names.map((_, at): uPlot.Series => ({
      stroke: colour(`${TONES[at % TONES.length]}-ink`), width: 2, spanGaps: true, points: { show: false }, ...(paths && { paths }),
    }));
    plot.current = new uPlot({ ...size(), legend: { show: false }, scales: { x: { time: false } }, series: [{}, ...series], axes }, [[]], parent);
    const observer = new ResizeObserver(() => plot.current?.setSize(size()));
    observer.observe(parent);
    return () => (observer.disconnect(), plot.current?.destroy());
  }, [names.join()]);
  useEffect(() => plot.current?.setData([seconds, ...values] as uPlot.AlignedData));
  return (
    <div ref={box} class="plot" role="img" aria-label={`Over time: ${names.join(", ")}`} data-testid={testid}>
      {[...TONES, "muted", "line"].map((tone) => <i key={tone} class={`${tone}-ink`} />)}
    </div>
  );
}
