//! The limits of an org: what may be used, what is left, and how fast it goes.
//!
//! Constraints: an org tells what is left of a limit and not how fast it is used, so a rate is what was used between
//! two readings. Most limits count the last 24 hours, so a forecast says when a limit is reached at that rate, and not
//! what comes back meanwhile.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::api::Api;
use super::error::ApiError;

/// Limits that streaming uses up: the first three up to API version 36, the next three from 37 on, then those of
/// platform events and change data capture.
pub const STREAMING: [&str; 12] = [
    "DailyStreamingApiEvents",
    "DailyGenericStreamingApiEvents",
    "StreamingApiConcurrentClients",
    "DailyDurableStreamingApiEvents",
    "DailyDurableGenericStreamingApiEvents",
    "DurableStreamingApiConcurrentClients",
    "DailyStandardVolumePlatformEvents",
    "DailyDeliveredPlatformEvents",
    "HourlyPublishedPlatformEvents",
    "HourlyPublishedStandardVolumePlatformEvents",
    "MonthlyPlatformEvents",
    "MonthlyPlatformEventsUsageEntitlement",
];

/// One limit as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Such as `DailyStreamingApiEvents`.
    pub name: String,
    /// What may be used.
    pub max: u64,
    /// What is left; an org tells less than nothing of a limit that was passed, which is 0 here.
    pub left: u64,
    /// What is used; more than `max` where the limit was passed.
    pub used: u64,
}

/// How fast a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Used each hour; 0 where what was used comes back faster than it goes.
    pub per_hour: u64,
    /// How long what is left lasts at this rate; none where nothing was used.
    pub lasts: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    max: u64,
    remaining: i64,
}

/// Reads all limits that the org tells, by name.
pub async fn limits(api: &mut Api) -> Result<Vec<Limit>, ApiError> {
    let all: Map<String, Value> = api.get("limits").await?;
    let told = all.len();
    let limits: Vec<_> = all.into_iter().filter_map(|(name, value)| Limit::read(name, value)).collect();
    if limits.is_empty() && told > 0 {
        return Err(ApiError::Malformed(String::from("GET limits: the answer tells of no limit")));
    }
    Ok(limits)
}

impl Limit {
    /// Whatever has another shape than a limit is no limit of this version.
    fn read(name: String, value: Value) -> Option<Self> {
        let Written { max, remaining } = serde_json::from_value(value).ok()?;
        let used = max.saturating_add_signed(remaining.saturating_neg());
        Some(Self { name, max, left: u64::try_from(remaining).unwrap_or_default(), used })
    }

    /// Whether streaming uses it up.
    pub fn is_streaming(&self) -> bool {
        STREAMING.contains(&self.name.as_str())
    }

    /// How much of it is used, in percent, rounded down; 100 for a limit of nothing that is used.
    pub fn percent(&self) -> u64 {
        match self.max {
            0 if self.used == 0 => 0,
            0 => 100,
            max => percent_of(self.used, max),
        }
    }

    /// How fast it is used, from the same limit `before`, read so long `ago`.
    pub fn rate(&self, before: &Self, ago: Duration) -> Rate {
        let spent = u128::from(self.used.saturating_sub(before.used));
        let millis = ago.as_millis().max(1);
        let per_hour = u64::try_from(spent * 3_600_000 / millis).unwrap_or(u64::MAX);
        let lasts = (u128::from(self.left) * millis).checked_div(spent);
        let lasts = lasts.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)));
        Rate { per_hour, lasts }
    }
}

fn percent_of(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole).max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limit(max: u64, remaining: i64) -> Limit {
        Limit::read("A".into(), json!({"Max": max, "Remaining": remaining, "An App": {"Max": 1}})).unwrap()
    }

    #[test]
    fn what_is_used_and_left() {
        for (max, remaining, used, left, percent) in [
            (1000, 1000, 0, 1000, 0),
            (1000, 201, 799, 201, 79),
            (1000, 0, 1000, 0, 100),
            (1000, -500, 1500, 0, 150),
            (0, 0, 0, 0, 0),
            (0, -1, 1, 0, 100),
            (u64::MAX, 0, u64::MAX, 0, 100),
            (0, i64::MIN, i64::MAX.unsigned_abs(), 0, 100),
        ] {
            let one = limit(max, remaining);
            assert_eq!((one.used, one.left, one.percent()), (used, left, percent), "{max} {remaining}");
        }
    }

    #[test]
    fn a_rate_is_what_went_between_two_readings() {
        let (before, now) = (limit(1000, 900), limit(1000, 890));
        let rate = now.rate(&before, Duration::from_secs(60));
        assert_eq!(rate, Rate { per_hour: 600, lasts: Some(Duration::from_secs(890 * 6)) });
        let idle = Rate { per_hour: 0, lasts: None };
        assert_eq!(now.rate(&now, Duration::from_secs(60)), idle);
        assert_eq!(before.rate(&now, Duration::from_secs(60)), idle, "it came back");
        assert_eq!(now.rate(&before, Duration::ZERO).per_hour, 36_000_000);
        assert_eq!(limit(9, 0).rate(&limit(9, 1), Duration::from_secs(1)).lasts, Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_limit_is_left_out() {
        for other in [json!(null), json!({"Max": 1}), json!({"Max": -1, "Remaining": 0}), json!("x")] {
            assert_eq!(Limit::read("A".into(), other), None);
        }
    }
}
