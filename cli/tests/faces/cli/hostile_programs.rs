//! The memory of a process that runs one program, as the system counts it from outside.

use nix::sys::resource::{UsageWho, getrusage};

use crate::settings::{is_full_run, seed};
use crate::support::CliFixture;

/// Programs that allocate memory until a limit stops them, and the limit.
const HOSTILE: [(&str, &str, &str); 10] = [
    ("objects", "const a: any[] = []; while (true) a.push({ x: a.length });", "heap limit"),
    ("arrays", "const a: any[] = []; while (true) a.push([a.length]);", "heap limit"),
    ("map", "const m = new Map(); for (let i = 0; ; i++) m.set(i, i);", "heap limit"),
    ("set", "const s = new Set(); for (let i = 0; ; i++) s.add('key ' + i);", "heap limit"),
    ("texts", "const a: any[] = []; while (true) a.push(a.length + '\\u0001'.repeat(1000));", "heap limit"),
    ("closures", "const a: any[] = []; for (let i = 0; ; i++) { const n = i; a.push(() => n); }", "heap limit"),
    (
        "frames",
        "function f(n: number): number { const o = { n }; return 1 + f(n + 1) + o.n; } f(0);",
        "call depth limit",
    ),
    ("regexps", "const a: any[] = []; while (true) a.push(/(\\w+) (\\w+)/.exec('some words'));", "heap limit"),
    (
        "errors",
        "const a: any[] = []; while (true) { try { throw new Error('e' + a.length); } catch (e) { a.push(e); } }",
        "heap limit",
    ),
    ("output", "const line = 'x'.repeat(10000); while (true) console.log(line);", "output limit"),
];

/// Returns the peak memory of the children of this process, in bytes.
fn peak_memory() -> u64 {
    let most = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss().unsigned_abs();
    if cfg!(target_os = "macos") { most } else { most * 1024 }
}

/// The memory of an optimized build with an empty program, its code included. 17 MB were measured; more makes the test
/// stricter.
const RELEASED_BYTES: u64 = 20_000_000;

/// The bytes by which an unoptimized build exceeds the released one: nearly all of its memory is its code.
fn unoptimized_bytes(store: &str) -> u64 {
    let scene = CliFixture::new();
    scene.file("empty.ts", "");
    scene.run(&["--store", store, "run", "empty.ts"]).expect_exit(0);
    peak_memory().saturating_sub(RELEASED_BYTES)
}

/// Runs each program with a limit. It ends with the error of the limit, and the process stays below three times the
/// limit plus 50 MB. The short form runs every third program on a store that outlives the process, by the seed.
pub fn run_hostile_programs(store: &str) {
    let unoptimized = unoptimized_bytes(store);
    let (heap, shift) = (if is_full_run() { 64 } else { 8 }, seed());
    let runs = |nth: u64| is_full_run() || store == "memory:" || shift.wrapping_add(nth).is_multiple_of(3);
    for (_, (name, source, reached)) in (0..).zip(HOSTILE).filter(|(nth, _)| runs(*nth)) {
        // The limit of the output cannot be set.
        let limit = if reached == "output limit" { 64 } else { heap };
        let scene = CliFixture::new();
        scene.file("hostile.ts", source);
        let output = scene.run(&["--store", store, "run", "hostile.ts", "--heap", &format!("{limit}MiB")]);
        assert_eq!(output.code, Some(1), "{name}: {output:?}");
        assert!(output.err.contains(reached), "{name}: {}", output.err);
        let (peak, most) = (peak_memory().saturating_sub(unoptimized), 3 * limit * (1 << 20) + 50_000_000);
        println!("{name}: {} MB at the most", peak / 1_000_000);
        assert!(peak <= most, "{name} took {peak} bytes, at most {most} are expected");
    }
}
