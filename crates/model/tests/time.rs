//! Exact rational seconds: nothing is lost where it fits, and nothing panics where it does not.

use std::cmp::Ordering;

use proptest::prelude::*;
use segue_model::Time;

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

#[test]
fn thirty_thousand_frames_take_exactly_their_time() {
    let frame = Time::new(1001, 30_000);
    let sum = (0..30_000).fold(Time::ZERO, |sum, _| sum + frame);
    assert_eq!(sum, Time::from_secs(1001));
    assert_eq!(frame * 30_000, Time::from_secs(1001));
}

#[test]
fn equal_fractions_are_one_value() {
    assert_eq!(Time::new(2, 4), Time::new(-1, -2));
    assert_eq!((Time::new(-6, -4).num(), Time::new(6, -4).den()), (3, 2));
    assert_eq!(Time::new(0, -7), Time::ZERO);
    assert_eq!(Time::from_millis(2500), time("2.5"));
    assert_eq!(Time::from_ticks(90_000, Time::new(1, 90_000)), Time::from_secs(1));
}

#[test]
fn halves_are_rounded_away_from_zero() {
    for (text, round, floor, ceil) in [
        ("0.5", 1, 0, 1),
        ("-0.5", -1, -1, 0),
        ("1.49", 1, 1, 2),
        ("-1.5", -2, -2, -1),
        ("2", 2, 2, 2),
        ("-2", -2, -2, -2),
    ] {
        let time = time(text);
        assert_eq!((time.round(), time.floor(), time.ceil()), (round, floor, ceil), "{text}");
    }
}

#[test]
fn ticks_are_exact_also_where_a_product_of_times_would_not_be() {
    // 9223 s and more, in microseconds, with a denominator that shares nothing with a million.
    let late = Time::new(2_505_332_812_729_287_929, 271_614_906_250_000);
    assert_eq!(late.to_ticks(1_000_000), 9_223_841_384);
    assert_eq!(Time::new(1, 3).to_ticks(90_000), 30_000);
    assert_eq!(Time::new(-1, 2_000).to_ticks(1_000), -1);
}

#[test]
fn seconds_are_read_as_people_and_playlists_write_them() {
    for (text, num, den) in [
        ("2", 2, 1),
        ("2.5", 5, 2),
        ("-0.5", -1, 2),
        ("2.002000", 1001, 500),
        ("1001/500", 1001, 500),
        ("-3/9", -1, 3),
        ("007", 7, 1),
        ("0.000001", 1, 1_000_000),
        ("9223372036854775807", i64::MAX, 1),
        ("-9223372036854775808/1", i64::MIN, 1),
    ] {
        assert_eq!(text.parse(), Ok(Time::new(num, den)), "{text}");
    }
}

#[test]
fn what_is_no_number_of_seconds_is_refused_with_an_example() {
    for text in [
        "",
        " ",
        "-",
        ".",
        "-.",
        "/",
        "1/",
        "/1",
        "1/0",
        "1/-2",
        "0/0",
        "1/2/3",
        "1.2.3",
        "+1",
        "--1",
        "1e3",
        "1,5",
        " 1",
        "1 ",
        "two",
        "inf",
        "NaN",
        "1.-5",
        "٣",
        "9223372036854775808",
        "0.00000000000000000001",
        "1.5/2",
    ] {
        let error = text.parse::<Time>().expect_err(text);
        assert!(error.to_string().contains("1001/500"), "{error}");
    }
}

#[test]
fn json_holds_the_fraction_itself() {
    let json = serde_json::to_string(&Time::new(1001, 24_000)).expect("json");
    assert_eq!(json, "\"1001/24000\"");
    assert_eq!(serde_json::from_str::<Time>(&json).expect("a time"), Time::new(1001, 24_000));
    serde_json::from_str::<Time>("\"1/0\"").expect_err("no such time");
}

#[test]
#[should_panic(expected = "denominator 0")]
fn a_denominator_of_zero_is_a_mistake_of_the_caller() {
    let _ = Time::new(1, 0);
}

fn small() -> impl Strategy<Value = Time> {
    (-1_000_000i64..1_000_000, 1i64..1_000_000).prop_map(|(num, den)| Time::new(num, den))
}

fn side() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -3i64..4,
        prop::sample::select(vec![
            i64::MIN,
            i64::MIN + 1,
            i64::MAX - 1,
            i64::MAX,
            1 << 62,
            1 << 32
        ])
    ]
}

/// Anything, with a liking for the edges.
fn extreme() -> impl Strategy<Value = Time> {
    (side(), side().prop_filter("no such time", |den| *den != 0))
        .prop_map(|(num, den)| Time::new(num, den))
}

proptest! {
    #[test]
    fn what_fits_is_exact(a in small(), b in small()) {
        prop_assert_eq!(a + b, b + a);
        prop_assert_eq!(a * b, b * a);
        prop_assert_eq!(a + b - b, a);
        prop_assert_eq!(a - a, Time::ZERO);
        if b != Time::ZERO {
            prop_assert_eq!(a * b / b, a);
            prop_assert_eq!(b.recip().map(|recip| recip * b), Some(Time::from_secs(1)));
        }
        let exact = i128::from(a.num()) * i128::from(b.den())
            + i128::from(b.num()) * i128::from(a.den());
        let sum = a + b;
        prop_assert_eq!(
            i128::from(sum.num()) * i128::from(a.den()) * i128::from(b.den()),
            exact * i128::from(sum.den())
        );
    }

    #[test]
    fn nothing_panics_however_large(a in extreme(), b in extreme(), rate in side()) {
        let mut results = vec![a + b, a - b, a * b, -a, a.abs(), a * rate, a.recip().unwrap_or(b)];
        if b != Time::ZERO {
            results.push(a / b);
        }
        for result in results {
            prop_assert!(result.den() > 0);
            let (floor, round, ceil) = (result.floor(), result.round(), result.ceil());
            prop_assert!(floor <= round && round <= ceil, "{result}: {floor} {round} {ceil}");
            prop_assert!(i128::from(ceil) - i128::from(floor) <= 1);
            prop_assert!(result.as_secs_f64().is_finite());
            result.to_ticks(rate);
        }
    }

    #[test]
    fn what_does_not_fit_is_off_by_a_nanosecond_at_most(
        a in (-1_000_000_000_000i64..1_000_000_000_000, 1i64 << 40..1 << 42),
        b in (-1_000_000_000_000i64..1_000_000_000_000, 1i64 << 40..1 << 42),
    ) {
        let (a, b) = (Time::new(a.0, a.1), Time::new(b.0, b.1));
        let off = (a + b).as_secs_f64() - (a.as_secs_f64() + b.as_secs_f64());
        prop_assert!(off.abs() <= 1e-9, "{off}");
    }

    #[test]
    fn order_is_that_of_the_fractions(a in extreme(), b in extreme(), c in extreme()) {
        let left = i128::from(a.num()) * i128::from(b.den());
        let right = i128::from(b.num()) * i128::from(a.den());
        prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn what_is_written_is_read_back(a in extreme()) {
        prop_assert_eq!(a.to_string().parse(), Ok(a));
        let json = serde_json::to_string(&a).expect("json");
        prop_assert_eq!(serde_json::from_str::<Time>(&json).expect("a time"), a);
    }

    #[test]
    fn no_text_panics(text in "[-+0-9./ a]{0,24}") {
        if let Ok(time) = text.parse::<Time>() {
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
