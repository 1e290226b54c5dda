// The whole page.

import { useEffect, useRef } from "preact/hooks";

import { session } from "../engine/session";
import type { Explanation } from "../engine/errors";
import { ExecutionList } from "../executions/list";
import { AfterlifeBanner } from "../kill/banner";
import { Program } from "../program/editor";
import { Stage } from "../run/stage";
import { route } from "../state/route";
import { Header } from "./header";
import { Hero } from "./hero";
import { DropPlace } from "./import";
import { EngineProgress } from "./loading";
import { Notices } from "./notices";
import { Help } from "./shortcuts";
import { UpdateBanner } from "./update";

export function App() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const at = route.value;
  const place = at.at === "execution" ? at.id : "";

  useEffect(() => {
    document.title = place === "" ? "runstate: durable execution in your browser tab" : `${place} – runstate`;
    // Whoever came from another place reads on from the top of this one.
    main.current?.scrollTo({ top: 0 });
    // What was pressed to come here may be gone.
    if (document.activeElement === document.body && !first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [place]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        To the program
      </a>
      <Header />
      <div class="banners">
        <StoreTrouble />
        <UpdateBanner />
        <AfterlifeBanner />
      </div>
      <div class="columns" data-at={at.at}>
        <main id="main" ref={main} tabIndex={-1} class={at.at === "execution" ? "at-execution" : "at-new"}>
          {at.at === "execution" ? (
            <>
              <EngineProgress />
              <Stage />
            </>
          ) : (
            <>
              <Hero />
              <Program />
            </>
          )}
        </main>
        <ExecutionList />
      </div>
      <DropPlace />
      <Help />
      <Notices />
    </>
  );
}

function StoreTrouble() {
  const now = session.value;
  const trouble = now.state === "failed" ? now.why : now.state === "open" ? now.store.trouble : null;
  return <div role="alert">{trouble === null ? null : <Trouble {...trouble} />}</div>;
}

function Trouble({ title, what, todo, code }: Explanation) {
  return (
    <section class="trouble" aria-labelledby="trouble-title" data-testid="store-trouble" data-code={code}>
      <h2 id="trouble-title">{title}</h2>
      <p>{what}</p>
      <p>
        <strong>{todo}</strong>{" "}
        <button type="button" class="link" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
    </section>
  );
}
