// What only the full form of the gate runs (`cargo xtask test --full`, RUNSTATE_FULL=1): further hosts of what another test covers.

export const FULL = process.env.RUNSTATE_FULL === "1";

/** The options of a test of the full form. */
export const IN_FULL = { skip: FULL ? false : "runs with RUNSTATE_FULL=1" };
