// A store in memory with a simulated clock, for hosts that have the package's simulated worlds.

import { simulated } from "runstate/testing";

import type { Scratch } from "./replay.ts";

export async function openScratch(_: unknown, now: number): Promise<Scratch> {
  const world = await simulated({ now });
  return { rs: await world.open("memory:"), advanceTo: (time) => world.advanceTo(time) };
}
