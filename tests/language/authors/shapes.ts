abstract class Shape {
  static #count = 0;
  readonly id: number;

  constructor(protected readonly label: string) {
    this.id = ++Shape.#count;
  }

  abstract get area(): number;
  abstract get perimeter(): number;

  static get count() {
    return Shape.#count;
  }

  describe(): string {
    return `#${this.id} ${this.label}: area ${this.area.toFixed(2)}, perimeter ${this.perimeter.toFixed(2)}`;
  }
}

class Circle extends Shape {
  constructor(private radius: number) {
    super("circle");
  }
  get area() { return Math.PI * this.radius ** 2; }
  get perimeter() { return 2 * Math.PI * this.radius; }
}

class Rectangle extends Shape {
  #width: number;
  #height: number;
  constructor(width: number, height: number, label = "rectangle") {
    super(label);
    this.#width = width;
    this.#height = height;
  }
  get area() { return this.#width * this.#height; }
  get perimeter() { return 2 * (this.#width + this.#height); }
  set width(value: number) {
    if (value <= 0) throw new RangeError("width must be positive");
    this.#width = value;
  }
  static isRectangle(value: unknown): value is Rectangle {
    return typeof value === "object" && value !== null && #width in value;
  }
}

class Square extends Rectangle {
  constructor(side: number) {
    super(side, side, "square");
  }
  override describe(): string {
    return `${super.describe()} (square)`;
  }
}

const shapes: Shape[] = [new Circle(1.5), new Rectangle(2, 3), new Square(4)];
for (const shape of shapes) console.log(shape.describe());
console.log(Shape.count, shapes.filter(Rectangle.isRectangle).length, Rectangle.isRectangle({}));
const r = shapes[1] as Rectangle;
r.width = 10;
console.log(r.area, r instanceof Shape, shapes[2] instanceof Rectangle, shapes[0].constructor.name);
try { r.width = -1; } catch (e) { console.log(String(e)); }
console.log(shapes);
console.log(Object.keys(shapes[0]), JSON.stringify(shapes));
