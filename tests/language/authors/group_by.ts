interface Order {
  id: number;
  customer: string;
  total: number;
  status: "paid" | "open";
}
const orders: Order[] = [
  { id: 1, customer: "Ada", total: 30, status: "paid" },
  { id: 2, customer: "Bob", total: 15.5, status: "open" },
  { id: 3, customer: "Ada", total: 12, status: "open" },
  { id: 4, customer: "Cid", total: 99, status: "paid" },
];

const groupBy = <T, K extends PropertyKey>(items: T[], key: (item: T) => K): Record<K, T[]> =>
  items.reduce((groups, item) => {
    (groups[key(item)] ||= []).push(item);
    return groups;
  }, {} as Record<K, T[]>);

const own = groupBy(orders, (o) => o.status);
console.log(own.paid.length, own.open.map((o) => o.id));
const totals = Object.entries(groupBy(orders, (o) => o.customer))
  .map(([customer, list]) => ({ customer, total: list.reduce((s, o) => s + o.total, 0), orders: list.length }))
  .sort((a, b) => b.total - a.total);
console.log(totals);
const builtIn = Object.groupBy(orders, ({ total }) => (total > 20 ? "large" : "small"));
console.log(builtIn.large?.map((o) => o.id), builtIn.small?.map((o) => o.id));
const byParity = Map.groupBy(orders, ({ id }) => id % 2 === 0);
console.log(byParity.get(true)?.length, byParity.get(false)?.length);
