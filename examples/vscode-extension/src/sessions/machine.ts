// The machine of this host. All windows of the host are on one machine: it stays online while one of them is open, and
// a window that is closed stalls only its own sessions.

import type { Runstate } from "runstate";

/** The member of a machine's metadata by which the machines of editors are found. */
const CLIENT = "vscode";

const MACHINES = 1000;

/** Registers this host unless it is registered. Returns the id of its machine, which is online unless it is in
 * maintenance. */
export async function registerMachine(rs: Runstate, hostname: string): Promise<string> {
  const known = await findMachine(rs, hostname);
  if (known === undefined) {
    await rs.sessions.machine.register(`${CLIENT}-${crypto.randomUUID()}`, { hostname, metadata: { client: CLIENT } });
  }
  // Two windows that start together may both register one. Both then use the same.
  const machine = known ?? (await findMachine(rs, hostname));
  if (machine === undefined) throw new Error(`the machine ${hostname} was removed`);
  await rs.sessions.machine.heartbeat(machine);
  return machine;
}

/** The machine with the lowest id. Ids are random, so that a store can be imported into that of another editor on the
 * same host. */
async function findMachine(rs: Runstate, hostname: string): Promise<string | undefined> {
  const { items } = await rs.sessions.machine.list({ limit: MACHINES });
  return items.find((machine) => machine.hostname === hostname && machine.metadata.client === CLIENT)?.id;
}
