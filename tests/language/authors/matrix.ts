class Matrix {
  constructor(readonly rows: readonly (readonly number[])[]) {
    if (new Set(rows.map((r) => r.length)).size !== 1) throw new RangeError("ragged matrix");
  }
  static identity(n: number) { return Matrix.generate(n, n, (i, j) => Number(i === j)); }
  static generate(height: number, width: number, at: (i: number, j: number) => number) {
    return new Matrix(Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) => at(i, j))));
  }
  get shape(): [number, number] { return [this.rows.length, this.rows[0].length]; }
  get transposed() { const [h, w] = this.shape; return Matrix.generate(w, h, (i, j) => this.rows[j][i]); }
  multiply(other: Matrix): Matrix {
    const [h, n] = this.shape, [m, w] = other.shape;
    if (n !== m) throw new RangeError(`cannot multiply ${h}x${n} by ${m}x${w}`);
    return Matrix.generate(h, w, (i, j) => this.rows[i].reduce((sum, x, k) => sum + x * other.rows[k][j], 0));
  }
  power(exponent: number): Matrix {
    let result = Matrix.identity(this.shape[0]);
    let base: Matrix = this;
    for (let e = exponent; e > 0; e >>>= 1) {
      if (e & 1) result = result.multiply(base);
      base = base.multiply(base);
    }
    return result;
  }
  get determinant(): number {
    const m = this.rows.map((r) => [...r]);
    let det = 1;
    for (let c = 0; c < m.length; c++) {
      const pivot = m.findIndex((r, i) => i >= c && Math.abs(r[c]) > 1e-12);
      if (pivot < 0) return 0;
      if (pivot !== c) { [m[c], m[pivot]] = [m[pivot], m[c]]; det = -det; }
      det *= m[c][c];
      for (let r = c + 1; r < m.length; r++) {
        const factor = m[r][c] / m[c][c];
        for (let k = c; k < m.length; k++) m[r][k] -= factor * m[c][k];
      }
    }
    return det;
  }
  toString() {
    const texts = this.rows.map((r) => r.map((x) => (Number.isInteger(x) ? `${x}` : x.toFixed(2))));
    const width = Math.max(...texts.flat().map((t) => t.length));
    return texts.map((r) => r.map((t) => t.padStart(width)).join(" ")).join("\n");
  }
}

const a = new Matrix([[1, 2, 3], [4, 5, 6]]);
console.log(`${a}\n--\n${a.transposed}\n--\n${a.multiply(a.transposed)}`);
console.log(new Matrix([[1, 1], [1, 0]]).power(30).rows[0][1], new Matrix([[2, 0, 1], [1, 3, 2], [1, 1, 4]]).determinant);
try { a.multiply(a); } catch (e) { console.log(`${e}`); }
console.log(a, a.shape, Matrix.identity(2).rows);
const grid: number[][] = [[1, 2], [3, 4]];
outer: for (const [i, row] of grid.entries()) {
  for (const [j, cell] of row.entries()) {
    if (cell === 3) { console.log(`found at ${i},${j}`); break outer; }
  }
}
