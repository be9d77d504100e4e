//! The times that VRRP computes from an interval and a priority. Pure
//! arithmetic in microseconds, rounded down and never to centiseconds: routers
//! whose priorities differ by one must wait differently long.

use crate::Duration;
use crate::protocol::Version;

/// Skew_Time: how much longer a backup of this priority waits than the best
/// one could (RFC 3768 section 6.1: in seconds; RFC 9568 section 6.1: scaled by
/// the interval of the master).
pub fn skew(version: Version, interval: Duration, priority: u8) -> Duration {
    let base = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    Duration::from_micros(base.total_micros() * (256 - u64::from(priority)) / 256)
}

/// Active_Down_Interval: the silence after which a backup of this priority
/// takes over (RFC 9568 section 6.1).
pub fn down_interval(version: Version, interval: Duration, priority: u8) -> Duration {
    interval * 3 + skew(version, interval, priority)
}

/// The shortest silence after which any other router may have taken over: the
/// down interval of the highest priority. A master that was silent longer must
/// assume that it is no longer one.
pub fn patience(version: Version, interval: Duration) -> Duration {
    down_interval(version, interval, 255)
}

/// How long a leaving master keeps the addresses when no successor is heard:
/// the skew of the lowest priority, and half a second for it to start.
pub fn release_limit(version: Version, interval: Duration) -> Duration {
    skew(version, interval, 1) + Duration::from_millis(500)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(seconds: f64) -> u64 {
        (seconds * 1e6) as u64
    }

    // PROTOCOL B.2, each row: priority, then skew and down interval in seconds
    // for version 2 at 1 s, version 3 at 0.1 s and at 0.5 s.
    const ROWS: [(u8, [f64; 6]); 7] = [
        (
            255,
            [
                0.00390625,
                3.00390625,
                0.000390625,
                0.300390625,
                0.001953125,
                1.501953125,
            ],
        ),
        (
            254,
            [
                0.0078125, 3.0078125, 0.00078125, 0.30078125, 0.00390625, 1.50390625,
            ],
        ),
        (
            200,
            [0.21875, 3.21875, 0.021875, 0.321875, 0.109375, 1.609375],
        ),
        (
            150,
            [
                0.4140625, 3.4140625, 0.04140625, 0.34140625, 0.20703125, 1.70703125,
            ],
        ),
        (
            101,
            [
                0.60546875,
                3.60546875,
                0.060546875,
                0.360546875,
                0.302734375,
                1.802734375,
            ],
        ),
        (
            100,
            [
                0.609375, 3.609375, 0.0609375, 0.3609375, 0.3046875, 1.8046875,
            ],
        ),
        (
            1,
            [
                0.99609375,
                3.99609375,
                0.099609375,
                0.399609375,
                0.498046875,
                1.998046875,
            ],
        ),
    ];

    #[test]
    fn skew_and_down_interval_match_the_table() {
        for (priority, want) in ROWS {
            let columns = [
                (Version::V2, Duration::from_secs(1)),
                (Version::V3, Duration::from_millis(100)),
                (Version::V3, Duration::from_millis(500)),
            ];
            for (i, (version, interval)) in columns.into_iter().enumerate() {
                let got = skew(version, interval, priority).total_micros();
                assert_eq!(
                    got,
                    micros(want[2 * i]),
                    "skew {priority} {version:?} {interval}"
                );
                let got = down_interval(version, interval, priority).total_micros();
                assert_eq!(
                    got,
                    micros(want[2 * i + 1]),
                    "down {priority} {version:?} {interval}"
                );
            }
        }
    }

    #[test]
    fn version_2_does_not_scale_skew_by_the_interval() {
        let ten = Duration::from_secs(10);
        assert_eq!(skew(Version::V2, ten, 100), Duration::from_micros(609_375));
        assert_eq!(
            skew(Version::V3, ten, 100),
            Duration::from_micros(6_093_750)
        );
    }

    #[test]
    fn neighbouring_priorities_differ_at_the_shortest_interval() {
        let shortest = Duration::from_millis(10);
        assert!(skew(Version::V3, shortest, 100) > skew(Version::V3, shortest, 101));
    }
}
