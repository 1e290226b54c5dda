interface Article { price: number }
type Constructor<T = {}> = new (...args: any[]) => T;

function Discountable<TBase extends Constructor<Article>>(Base: TBase) {
  return class extends Base {
    discount = 0;
    get finalPrice() { return +(this.price * (1 - this.discount)).toFixed(2); }
  };
}
class Product implements Article {
  static #registry = new Map<string, Product>();
  static { Product.defaults = Object.freeze({ currency: "EUR" }); }
  static defaults: Readonly<{ currency: string }>;
  constructor(public readonly sku: string, public price: number) { Product.#registry.set(sku, this); }
  static lookup(sku: string) { return this.#registry.get(sku) ?? null; }
  valueOf() { return this.price; }
  get [Symbol.toStringTag]() { return "Product"; }
}
class SaleItem extends Discountable(Product) {
  constructor(sku: string, price: number, discount: number) {
    super(sku, price);
    this.discount = discount;
  }
  override toString() { return `${this.sku} at ${this.finalPrice} (was ${this.price})`; }
}
const book = new Product("book", 20);
const lamp = new SaleItem("lamp", 49.99, 0.2);
console.log(String(lamp), `${lamp}`, +book + +lamp, book < lamp);
console.log(Product.lookup("lamp") === lamp, Product.lookup("none"), lamp instanceof Product, Object.prototype.toString.call(book));
console.log(Object.getOwnPropertyNames(SaleItem.prototype), Product.defaults);
