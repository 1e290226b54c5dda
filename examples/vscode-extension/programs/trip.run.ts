// Plans a trip, and asks as it goes. Close the window at any question: it is asked again when you come back.

function main() {
  const where = CC("Where do you want to go?", { choices: ["Lisbon", "Oslo", "Kyoto"] });
  console.log(`A trip to ${where}.`);

  const days = CC(`How many days in ${where}?`, { schema: { type: "integer", minimum: 1, maximum: 30 } });
  for (let day = 1; day <= Math.min(days, 3); day++) console.log(`Day ${day}: find the best coffee.`);

  const traveler = CC("Who travels?", {
    schema: {
      type: "object",
      required: ["name", "seat"],
      properties: {
        name: { type: "string", minLength: 1 },
        seat: { type: "string", enum: ["window", "aisle"] },
      },
    },
  });
  console.log(`${traveler.name} sits at the ${traveler.seat}.`);

  const note = CC("What should the host know?");
  return { where, days, traveler, note };
}
