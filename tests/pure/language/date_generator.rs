//! Generates programs from a seed that make dates of fields and of texts, change them, and print them.

use super::program_generator::SplitMix64;

/// Prints everything that a date says.
const PRELUDE: &str = "\
const iso = (d) => { try { return d.toISOString() } catch (e) { return e.name + ': ' + e.message } };
const parts = (d) => [d.getFullYear(), d.getMonth(), d.getDate(), d.getDay(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds(), d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCDay(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds(), d.getTimezoneOffset()].join();
const texts = (d) => [String(d), d.toDateString(), d.toTimeString(), d.toUTCString(), d + '', `${d}`, JSON.stringify({ d, l: [d] })].join('|');
const locale = (d) => d.getFullYear() < 1 ? '' : [d.toLocaleString(), d.toLocaleDateString('en-US'), d.toLocaleTimeString()].join('|');
const all = (d) => console.log(d.getTime(), +d, iso(d), parts(d), texts(d), locale(d), d);
";

const WORDS: &[&str] = &[
    "Jan",
    "feb",
    "MARCH",
    "Apr",
    "may",
    "June",
    "July",
    "aug",
    "Sept",
    "October",
    "nov",
    "Dec",
    "Mon",
    "Tuesday",
    "AM",
    "pm",
    "Z",
    "UTC",
    "GMT",
    "ut",
    "EST",
    "pdt",
    "T",
    "t",
    "of",
    "hello",
    "(comment)",
    "(a (b) c)",
    "ab",
    "x",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "01",
    "5",
    "12",
    "13",
    "23",
    "24",
    "29",
    "30",
    "31",
    "32",
    "49",
    "50",
    "59",
    "60",
    "69",
    "70",
    "99",
    "100",
    "2000",
    "2020",
    "1999",
    "02020",
    "20200",
    "999",
    "123456789012",
    "0000",
    "020",
    "-2021",
    "+002020",
    "-000001",
    "275760",
    "00",
];

const SIGNS: &[&str] = &[" ", "-", "/", ":", ",", ".", "+", " ", "", "  ", "T", "::", ")", "(", ";", "\\n", "Z", "−"];

const EXACT: &[&str] = &[
    "2020-02-30",
    "2020-02-29T23:59:60Z",
    "2020-02-29T24:00Z",
    "2020-02-29T24:00:00.001Z",
    "2020-01",
    "2020",
    "+275760-09-13T00:00:00.001Z",
    "-271821-04-20",
    "-000000-01-01",
    "2020-01-01T00:00",
    "2020-01-01 00:00",
    "2020-01-01T00:00:00.123456789Z",
    "2020-01-01T00:00:00+0530",
    "2020-01-01T00:00:00-05:30",
    "2020-01-01T00:00:00+5:30",
    "2020-1-1",
    "2020-01-01T1:00",
    "Jan 5",
    "5/6",
    "1/2/3",
    "1/2/99",
    "12/31/1999 11:59 PM",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
    "1 Jan 2020 12:30:15.5 +0200",
    "Sat Feb 29 2020",
    "",
    " ",
    "now",
    "null",
    "20200101",
    "2020-01-01T00:00:00z",
    "2020-01-01t00:00:00Z",
    "2020-12-25T10:00:00.000+01:00",
    "12:30",
    "24:00 1/1/2020",
    "1/1/2020 24:00:01",
    "1/1/2020 12:00 am",
    "1/1/2020 13:00 pm",
    "1/1/2020 12:00am",
    "1/1/2020 GMT+5",
    "1/1/2020 UTC+05:30",
    "Tue Mar 01 2022 10:00:00 EST",
];

/// Returns the program of a seed.
pub fn program(seed: u64) -> String {
    let mut dates = DateGenerator { seed: SplitMix64::new(seed) };
    let mut out = PRELUDE.to_owned();
    for line in 0..30 {
        let date = dates.date();
        out += &format!("const d{line} = {date}; all(d{line});\n");
        if dates.seed.below(3) == 0 {
            out += &format!("console.log(d{line}.{}); all(d{line});\n", dates.change());
        }
        if line > 0 {
            let other = dates.seed.below(line);
            out += &format!(
                "console.log(d{line} < d{other}, d{line} - d{other}, d{line} >= d{other}, d{line} == d{other}, d{line} == String(d{line}), d{line} + 1, structuredClone(d{line}));\n"
            );
        }
    }
    out
}

struct DateGenerator {
    seed: SplitMix64,
}

impl DateGenerator {
    fn pick(&mut self, list: &[&str]) -> String {
        list[self.seed.below(list.len())].to_owned()
    }

    fn date(&mut self) -> String {
        match self.seed.below(6) {
            0 => {
                let count = 2 + self.seed.below(6);
                let fields: Vec<String> = (0..count).map(|field| self.field(field)).collect();
                let call = ["new Date(", "new Date(Date.UTC("][self.seed.below(2)];
                format!("{call}{}){}", fields.join(", "), if call.ends_with("UTC(") { ")" } else { "" })
            }
            1 => format!("new Date({})", self.number()),
            2 => format!("new Date('{}')", self.pick(EXACT)),
            _ => format!("new Date('{}')", self.text()),
        }
    }

    fn field(&mut self, field: usize) -> String {
        match (field, self.seed.below(8)) {
            (_, 0) => self.number(),
            (0, _) => format!("{}", [0, 5, 99, 100, 1970, 2020, 2024, -1, 275_760, 1_582][self.seed.below(10)]),
            _ => format!("{}", self.seed.below(70) as i64 - 5),
        }
    }

    fn number(&mut self) -> String {
        match self.seed.below(4) {
            0 => self.pick(&[
                "NaN",
                "Infinity",
                "-0",
                "0.9",
                "-1.5",
                "8.64e15",
                "8.64e15 + 1",
                "-8.64e15",
                "1e300",
                "undefined",
                "null",
                "true",
                "'12'",
                "1e12",
                "-1",
            ]),
            1 => format!("{}", self.seed.below(2_000_000_000) as i64 * 1_000 - 500_000_000_000),
            2 => format!("{}", (self.seed.below(1 << 40) as i64 - (1 << 39)) * 16_000),
            _ => format!("{}", self.seed.below(100_000_000)),
        }
    }

    /// Numbers and words with signs between them; some are in the order of a date.
    fn text(&mut self) -> String {
        if self.seed.below(3) == 0 {
            let year = self.pick(&["2020", "1969", "99", "5", "+002020"]);
            let (month, day) = (self.pick(WORDS), self.pick(NUMBERS));
            let clock = self.pick(&[
                "",
                " 10:20",
                " 10:20:30",
                " 10:20:30.5",
                " 1:2:3 pm",
                " 12:00 AM",
                "T10:20",
                " 10:20Z",
                " 10:20 GMT+0130",
                " 10:20-8",
            ]);
            return format!("{month} {day} {year}{clock}");
        }
        let mut text = String::new();
        for _ in 0..=self.seed.below(7) {
            text += &if self.seed.below(4) == 0 { self.pick(WORDS) } else { self.pick(NUMBERS) };
            text += &self.pick(SIGNS);
        }
        text
    }

    fn change(&mut self) -> String {
        let methods = [
            "setFullYear",
            "setMonth",
            "setDate",
            "setHours",
            "setMinutes",
            "setSeconds",
            "setMilliseconds",
            "setTime",
            "setUTCFullYear",
            "setUTCMonth",
            "setUTCDate",
            "setUTCHours",
            "setUTCMinutes",
            "setUTCSeconds",
            "setUTCMilliseconds",
        ];
        let method = self.pick(&methods);
        let count = self.seed.below(5);
        let arguments: Vec<String> = (0..count).map(|field| self.field(field + 1)).collect();
        format!("{method}({})", arguments.join(", "))
    }
}
