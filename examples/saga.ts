// A saga: a trip is booked as a flight, a hotel and a car. If a booking fails, the earlier ones are cancelled, the
// last one first.
//
//   runstate run examples/saga.ts --answers examples/saga.answers.json
//   runstate run examples/saga.ts --input '{"traveler": "Grace", "city": "Oslo", "nights": 2}'
//   runstate work --kind bookFlight --kind cancelFlight --exec ./flights.sh     # beside it: workers book and cancel
//
// Kill it between two bookings: `runstate resume ID` books the rest, or cancels the rest. Nothing is booked twice or
// forgotten.

interface Trip {
  traveler: string;
  city: string;
  nights: number;
}

interface Step {
  name: string;
  /** Books, and returns the number of the booking. */
  run(trip: Trip): string;
  /** Cancels that booking. */
  undo(number: string): void;
}

/** Calls a tool. A worker fails the call, which throws, or returns `{ "error": "…" }`. */
function useTool(tool: string, args: Record<string, unknown>): any {
  const result = call(tool, args);
  if (result?.error !== undefined) throw new Error(result.error);
  return result;
}

const steps: Step[] = [
  {
    name: "flight",
    run: ({ traveler, city }) => useTool("bookFlight", { traveler, to: city }).booking,
    undo: (number) => useTool("cancelFlight", { booking: number }),
  },
  {
    name: "hotel",
    run: ({ traveler, city, nights }) => useTool("bookHotel", { traveler, city, nights }).booking,
    undo: (number) => useTool("cancelHotel", { booking: number }),
  },
  {
    name: "car",
    run: ({ traveler, city, nights }) => useTool("bookCar", { traveler, city, days: nights + 1 }).booking,
    undo: (number) => useTool("cancelCar", { booking: number }),
  },
];

interface Booking {
  step: Step;
  number: string;
}

/** Cancels bookings in reverse order. One that cannot be cancelled does not keep the others; it is reported to a
 * person. */
function compensate(done: Booking[]): string[] {
  const left: string[] = [];
  for (const { step, number } of done.toReversed()) {
    try {
      step.undo(number);
      console.log(`  cancelled ${step.name} ${number}`);
    } catch (error) {
      console.log(`  ${step.name} ${number} could not be cancelled: ${(error as Error).message}`);
      left.push(`${step.name} ${number}`);
    }
  }
  return left;
}

function main() {
  const trip: Trip = { traveler: "Ada", city: "Lisbon", nights: 3, ...input };
  const go = CC(`Book ${trip.nights} nights in ${trip.city} for ${trip.traveler}?`, { choices: ["yes", "no"] });
  if (go === "no") return { status: "not booked" };

  const done: Booking[] = [];
  try {
    for (const step of steps) {
      const number = step.run(trip);
      console.log(`booked ${step.name}: ${number}`);
      done.push({ step, number });
    }
  } catch (error) {
    const failed = steps[done.length].name;
    console.log(`${failed} failed: ${(error as Error).message}`);
    const left = compensate(done);
    if (left.length > 0) CC(`Please cancel by hand: ${left.join(", ")}. Write "done" afterwards.`);
    return { status: "cancelled", failed, byHand: left };
  }
  return { status: "booked", bookings: done.map(({ number }) => number) };
}
