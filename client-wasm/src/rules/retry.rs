//! How long to wait before asking a server again that did not answer.

/// The first delay, before jitter; each further one is twice as long.
const FIRST_MS: f64 = 1_000.0;

/// No back-off is longer than this.
const LONGEST_MS: f64 = 60_000.0;

/// A server may ask for more patience than [`LONGEST_MS`], but not for more than this: a wrong header must
/// not silence the client for a day.
const LONGEST_RETRY_AFTER_MS: f64 = 300_000.0;

/// The delay in milliseconds before the next attempt, after `failures` failures in a row (1 is the first).
///
/// Half of the back-off is random, so that the users of one outage do not come back as one; `unit` is a
/// number in `[0, 1)`. A `Retry-After` is a lower bound.
pub fn delay_ms(failures: u32, unit: f64, retry_after_ms: f64) -> f64 {
    let mut back_off = FIRST_MS;
    for _ in 1..failures.min(8) {
        back_off = (back_off * 2.0).min(LONGEST_MS);
    }
    let delay = back_off * (0.5 + unit / 2.0);
    // Not so for a NaN, which is no header, or one that is neither seconds nor a date.
    if retry_after_ms > 0.0 {
        delay.max(retry_after_ms.min(LONGEST_RETRY_AFTER_MS) + unit * FIRST_MS)
    } else {
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::delay_ms;

    fn close(actual: f64, expected: f64) -> bool {
        (actual - expected).abs() < 1.0
    }

    #[test]
    fn the_delay_doubles_up_to_a_minute() {
        for (failures, most) in
            [(1, 1_000.0), (2, 2_000.0), (3, 4_000.0), (6, 32_000.0), (7, 60_000.0), (u32::MAX, 60_000.0)]
        {
            assert!(close(delay_ms(failures, 1.0, f64::NAN), most), "{failures}");
            assert!(close(delay_ms(failures, 0.0, f64::NAN), most / 2.0), "{failures}");
        }
    }

    #[test]
    fn retry_after_is_a_lower_bound_within_reason() {
        assert!(close(delay_ms(1, 0.0, 10_000.0), 10_000.0));
        assert!(close(delay_ms(7, 1.0, 5_000.0), 60_000.0));
        assert!(close(delay_ms(1, 0.0, 86_400_000.0), 300_000.0));
        for nonsense in [-5_000.0, 0.0, f64::NAN] {
            assert!(close(delay_ms(1, 0.0, nonsense), 500.0), "{nonsense}");
        }
    }
}
