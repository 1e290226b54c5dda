//! Welch's t-test: whether the means of two samples differ, if their variances may differ too.
//!
//! A library of statistics would add 250 KB to the module of Node, compressed, for this one number.

/// A sample, by its moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleMoments {
    /// Number of values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their variance, with the divisor `count` - 1.
    pub variance: f64,
}

/// The result of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WelchTest {
    /// The statistic.
    pub t: f64,
    /// The degrees of freedom (Welch–Satterthwaite).
    pub df: f64,
    /// The two-sided probability of a difference as large as this, if the means are equal.
    pub p: f64,
}

impl WelchTest {
    /// The test of two samples (B. L. Welch, Biometrika 34, 1947); `None`: one has fewer than two values, or all values
    /// are equal. Two samples of equal values each, with different ones, differ for certain.
    pub fn of(a: SampleMoments, b: SampleMoments) -> Option<Self> {
        if a.count < 2 || b.count < 2 {
            return None;
        }
        if a.variance == 0.0 && b.variance == 0.0 && a.mean != b.mean {
            let t = if a.mean > b.mean { f64::MAX } else { f64::MIN };
            return Some(Self { t, df: 1.0, p: 0.0 });
        }
        let (va, vb) = (a.variance / a.count as f64, b.variance / b.count as f64);
        let t = (a.mean - b.mean) / (va + vb).sqrt();
        let df = (va + vb).powi(2) / (va.powi(2) / (a.count - 1) as f64 + vb.powi(2) / (b.count - 1) as f64);
        let p = incomplete_beta(df / 2.0, 0.5, df / (df + t * t));
        (t.is_finite() && p.is_finite()).then_some(Self { t, df, p })
    }
}

/// The logarithm of the gamma function of a positive number (C. Lanczos, SIAM J. Numer. Anal. 1, 1964; g = 7 and 9
/// terms).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // The reflection formula: NIST DLMF 5.5.3.
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let sum = (1..).zip(TERMS).fold(0.999_999_999_999_809_9, |sum, (i, term)| sum + term / (x + f64::from(i)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The regularized incomplete beta function, by its continued fraction (NIST DLMF 8.17.22) in Lentz's method.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below this bound; above it the symmetry (DLMF 8.17.4) leads below it.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let nonzero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in (1..1_000).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> SampleMoments {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        SampleMoments { count: values.len() as u64, mean, variance }
    }

    fn assert_near(value: f64, expected: f64, digits: i32) {
        assert!((value - expected).abs() < 0.5 * 10f64.powi(-digits), "{value} is not {expected}");
    }

    /// The data `sleep` of R: `t.test(extra ~ group, data = sleep)`.
    #[test]
    fn test_of_the_sleep_data_is_that_of_r() {
        let one = sample(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
        let two = sample(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
        let test = WelchTest::of(one, two).unwrap();
        assert_near(test.t, -1.8608, 4);
        assert_near(test.df, 17.776, 3);
        assert_near(test.p, 0.07939, 5);
    }

    /// Closed forms: one degree of freedom is the Cauchy distribution, and two have p = 1 - |t| / √(t² + 2).
    #[test]
    fn probabilities_agree_with_the_closed_forms() {
        for t in [0.0f64, 0.1, 1.0, 2.5, 12.0, 300.0] {
            let one = 1.0 - 2.0 / std::f64::consts::PI * t.atan();
            assert_near(incomplete_beta(0.5, 0.5, 1.0 / (1.0 + t * t)), one, 12);
            let two = 1.0 - t / (t * t + 2.0).sqrt();
            assert_near(incomplete_beta(1.0, 0.5, 2.0 / (2.0 + t * t)), two, 12);
        }
        // With many degrees of freedom it is the normal distribution: 1.959964 is its 97.5th percentile.
        assert_near(incomplete_beta(5e5, 0.5, 1e6 / (1e6 + 1.959_964f64.powi(2))), 0.05, 6);
    }

    #[test]
    fn samples_without_variance_have_no_test() {
        let constant = SampleMoments { count: 5, mean: 1.0, variance: 0.0 };
        assert_eq!(WelchTest::of(constant, constant), None);
        assert_eq!(
            WelchTest::of(SampleMoments { count: 1, ..constant }, SampleMoments { variance: 1.0, ..constant }),
            None
        );
    }
}
