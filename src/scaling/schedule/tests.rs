//! Tables: a time on the wall, and what is in force then.
use super::*;

fn schedule(start: &str, end: &str, zone: &str) -> Schedule {
    Schedule::new("office", start, end, zone, 2).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn look(schedule: &Schedule, wall: &str, ahead: u64) -> Floor<'static> {
    let found = floor(std::slice::from_ref(schedule), at(wall), Duration::from_secs(ahead));
    Floor {
        replicas: found.replicas,
        name: found.name.map(|_| "office"),
        next_change: found.next_change,
    }
}

/// Expects for each time whether the schedule is in force.
#[track_caller]
fn rows(schedule: &Schedule, table: &[(&str, bool)]) {
    for (wall, in_force) in table {
        let found = look(schedule, wall, 0);
        assert_eq!(found.replicas == 2, *in_force, "{wall}: {found:?}");
        assert_eq!(found.name.is_some(), *in_force, "{wall}");
    }
}

#[test]
fn office_hours() {
    let office = schedule("0 8 * * 1-5", "0 18 * * MON-FRI", "Europe/Berlin");
    rows(
        &office,
        &[
            ("2026-01-05T07:59:59.999+01:00", false), // Monday
            ("2026-01-05T08:00+01:00", true),
            ("2026-01-05T17:59:59+01:00", true),
            ("2026-01-05T18:00+01:00", false),
            ("2026-01-09T12:00+01:00", true), // Friday
            ("2026-01-10T12:00+01:00", false),
            ("2026-01-11T12:00+01:00", false),
            ("2026-07-06T08:00+02:00", true), // summer
            ("2026-07-06T07:59+02:00", false),
        ],
    );
}

#[test]
fn a_start_up_time_before_the_start_and_when_it_changes_next() {
    let office = schedule("0 8 * * 1-5", "0 18 * * 1-5", "UTC");
    for (wall, in_force, change) in [
        ("2026-01-05T07:59:29.5Z", false, 0.5),
        ("2026-01-05T07:59:30Z", true, 36030.0),
        ("2026-01-05T17:59:59Z", true, 1.0),
        // The end is not early.
        ("2026-01-05T18:00:00Z", false, 13.0 * 3600.0 + 3570.0),
        // Over the weekend.
        ("2026-01-09T18:00:00Z", false, 61.0 * 3600.0 + 3570.0),
    ] {
        let found = look(&office, wall, 30);
        let expected = Duration::from_secs_f64(change);
        assert_eq!(
            (found.replicas == 2, found.next_change),
            (in_force, Some(expected)),
            "{wall}"
        );
    }
}

#[test]
fn any_shape() {
    let night = schedule("0 22 * * *", "0 6 * * *", "UTC");
    rows(
        &night,
        &[
            ("2026-01-05T21:59Z", false),
            ("2026-01-05T22:00Z", true),
            ("2026-01-06T05:59Z", true),
            ("2026-01-06T06:00Z", false),
        ],
    );
    // A second start before the end changes nothing.
    let twice = schedule("0 8,12 * * *", "0 18 * * *", "UTC");
    rows(
        &twice,
        &[
            ("2026-01-05T10:00Z", true),
            ("2026-01-05T13:00Z", true),
            ("2026-01-05T19:00Z", false),
        ],
    );
    let weekend = schedule("0 18 * * FRI", "0 8 * * MON", "UTC");
    rows(
        &weekend,
        &[
            ("2026-01-09T17:59Z", false),
            ("2026-01-11T23:59Z", true),
            ("2026-01-12T07:59Z", true),
            ("2026-01-12T08:00Z", false),
        ],
    );
    let season = schedule("0 0 1 DEC *", "0 0 7 JAN *", "UTC");
    rows(
        &season,
        &[
            ("2026-11-30T23:59Z", false),
            ("2026-12-31T00:00Z", true),
            ("2027-01-07T00:00Z", false),
        ],
    );
    let leap = schedule("0 0 29 2 *", "0 0 1 3 *", "UTC");
    rows(
        &leap,
        &[
            ("2026-02-28T12:00Z", false),
            ("2028-02-29T12:00Z", true),
            ("2028-03-01T00:00Z", false),
        ],
    );
    // Start and end at the same minute: the start counts.
    let joined = schedule("0 8 * * *", "0 8,18 * * *", "UTC");
    rows(&joined, &[("2026-01-05T08:00Z", true), ("2026-01-05T18:00Z", false)]);
    let minutely = schedule("* * * * *", "0 0 1 1 *", "UTC");
    rows(&minutely, &[("2026-01-05T08:00:30Z", true)]);
}

#[test]
fn the_highest_counts_and_of_equal_ones_the_first() {
    let new = |name, start, end, min| Schedule::new(name, start, end, "UTC", min).unwrap();
    let all = [
        new("day", "0 8 * * *", "0 20 * * *", 2),
        new("noon", "0 12 * * *", "0 14 * * *", 5),
        new("same", "0 8 * * *", "0 22 * * *", 2),
    ];
    for (wall, replicas, name, change) in [
        ("2026-01-05T07:00Z", 0, None, 1),
        ("2026-01-05T08:00Z", 2, Some("day"), 4),
        ("2026-01-05T13:00Z", 5, Some("noon"), 1),
        ("2026-01-05T14:00Z", 2, Some("day"), 6),
        ("2026-01-05T21:00Z", 2, Some("same"), 1),
        ("2026-01-05T22:00Z", 0, None, 10),
    ] {
        let found = floor(&all, at(wall), Duration::ZERO);
        let next_change = Some(Duration::from_secs(3600 * change));
        let expected = Floor {
            replicas,
            name,
            next_change,
        };
        assert_eq!(found, expected, "{wall}");
    }
    assert_eq!(floor(&[], at("2026-01-05T07:00Z"), Duration::ZERO), Floor::default());
}

#[test]
fn a_time_that_the_clock_skips_counts_at_the_jump() {
    // Berlin jumps from 02:00 to 03:00 at 01:00 UTC, New York at 07:00 UTC.
    for (zone, before, jump, later) in [
        (
            "Europe/Berlin",
            "2026-03-29T00:59:59Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T02:59:59Z",
        ),
        (
            "America/New_York",
            "2026-03-08T06:59:59Z",
            "2026-03-08T07:00:00Z",
            "2026-03-08T08:59:59Z",
        ),
    ] {
        let start = schedule("30 2 * * *", "0 5 * * *", zone);
        rows(&start, &[(before, false), (jump, true), (later, true)]);
        let end = schedule("0 22 * * *", "30 2 * * *", zone);
        rows(&end, &[(before, true), (jump, false)]);
        // Both are skipped: nothing is left of it that day, and it does not go on until the next.
        let both = schedule("15 2 * * *", "45 2 * * *", zone);
        rows(&both, &[(before, false), (jump, false), (later, false)]);
        let reversed = schedule("45 2 * * *", "15 2 * * *", zone);
        rows(&reversed, &[(before, true), (jump, true), (later, true)]);
        // The jump is seen coming.
        let ahead = look(&start, jump, 0).next_change;
        assert_eq!(ahead, Some(Duration::from_secs(2 * 3600)), "05:00 on the wall");
    }
    let start = schedule("30 2 * * *", "0 5 * * *", "Europe/Berlin");
    let seen = look(&start, "2026-03-29T00:58:00Z", 30);
    assert_eq!((seen.replicas, seen.next_change), (0, Some(Duration::from_secs(90))));
}

#[test]
fn a_time_that_the_clock_shows_twice_starts_at_once_and_ends_at_last() {
    // Berlin shows 02:00 to 03:00 from 00:00 and again from 01:00 UTC, New York 01:00 to 02:00 from 05:00 and 06:00 UTC.
    for (zone, hour, first, second) in [
        ("Europe/Berlin", "2", "2026-10-25T00", "2026-10-25T01"),
        ("America/New_York", "1", "2026-11-01T05", "2026-11-01T06"),
    ] {
        let time = |pass: &str, minute: &str| format!("{pass}:{minute}Z");
        let cron = |minute: &str| format!("{minute} {hour} * * *");
        let check = |schedule: &Schedule, table: &[(&str, &str, bool)]| {
            for (pass, minute, in_force) in table {
                rows(schedule, &[(&time(pass, minute), *in_force)]);
            }
        };
        let start = schedule(&cron("30"), "0 5 * * *", zone);
        check(
            &start,
            &[
                (first, "29", false),
                (first, "30", true),
                (second, "00", true),
                (second, "45", true),
            ],
        );
        let end = schedule("0 22 * * *", &cron("30"), zone);
        check(
            &end,
            &[
                (first, "30", true),
                (first, "59", true),
                (second, "29", true),
                (second, "30", false),
            ],
        );
        // It begins the first time around and ends the second time, without a break.
        let both = schedule(&cron("15"), &cron("45"), zone);
        check(
            &both,
            &[
                (first, "14", false),
                (first, "15", true),
                (first, "50", true),
                (second, "00", true),
            ],
        );
        check(&both, &[(second, "44", true), (second, "45", false)]);
        // The end of yesterday's comes before today's start on the wall: it must not cut today's off.
        let all_day = schedule(&cron("30"), &cron("15"), zone);
        check(
            &all_day,
            &[
                (first, "20", true),
                (first, "30", true),
                (second, "14", true),
                (second, "40", true),
            ],
        );
        // The whole hour's end is its second one.
        let hourly = schedule(&cron("0"), &cron("0-59/20"), zone);
        check(
            &hourly,
            &[
                (first, "00", true),
                (first, "40", true),
                (second, "19", true),
                (second, "20", false),
            ],
        );
    }
}

#[test]
fn times_at_the_ends_of_the_calendar() {
    let office = schedule("0 8 * * 1-5", "0 18 * * 1-5", "Europe/Berlin");
    for wall in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        for ahead in [Duration::ZERO, Duration::MAX] {
            floor(std::slice::from_ref(&office), wall, ahead);
        }
    }
}

/// Nor does what is remembered differ from what is found anew.
#[test]
fn nothing_changes_before_it_is_said_to() {
    for (start, end, zone) in [
        ("*/7 * * * *", "*/5 * * * *", "Europe/Berlin"),
        ("30 2 * * *", "15 2 * * *", "Europe/Berlin"),
        ("15 1 * * *", "45 1 * * *", "America/New_York"),
        ("0 2-4 * * *", "30 1,2 * * *", "Australia/Lord_Howe"), // its clock moves by half an hour
    ] {
        let one = schedule(start, end, zone);
        for night in [
            "2026-03-08T04:00Z",
            "2026-03-29T00:00Z",
            "2026-04-04T14:00Z",
            "2026-10-25T00:00Z",
            "2026-11-01T04:00Z",
        ] {
            let ahead = Duration::from_secs(30);
            let (mut wall, mut held, mut known) = (at(night), None, FloorCache::default());
            let mut until = wall;
            for _ in 0..60 {
                let found = floor(std::slice::from_ref(&one), wall, ahead);
                assert_eq!(
                    known.floor(std::slice::from_ref(&one), wall, ahead),
                    found,
                    "remembered"
                );
                if held.is_some_and(|held| held != found.replicas) {
                    assert!(wall >= until, "{start} {end} {zone}: a change at {wall} before {until}");
                }
                if wall >= until {
                    let change = found.next_change.unwrap();
                    assert!(!change.is_zero());
                    until = wall + change;
                }
                held = Some(found.replicas);
                wall += Duration::from_secs(215);
            }
        }
    }
}

/// The next Sunday that is a 29 February: 2032.
#[test]
fn that_nothing_changes_for_years_is_remembered_for_a_day() {
    let rare = [schedule("0 0 29 2 */7", "0 1 29 2 */7", "UTC")];
    let mut known = FloorCache::default();
    let looked = |wall: &str, known: &mut FloorCache| {
        assert_eq!(known.floor(&rare, at(wall), Duration::ZERO), Floor::default());
        known.0.as_ref().map(|known| known.from.to_string())
    };
    let first = looked("2026-01-05T12:00:00Z", &mut known);
    assert_eq!(first.as_deref(), Some("2026-01-05T12:00:00Z"));
    assert_eq!(
        looked("2026-01-06T11:59:59Z", &mut known),
        first,
        "not worked out again"
    );
    assert_ne!(looked("2026-01-06T12:00:00Z", &mut known), first);
    let mut floor = |wall: &str| known.floor(&rare, at(wall), Duration::ZERO);
    assert_eq!(
        floor("2032-02-28T23:30:00Z").next_change,
        Some(Duration::from_secs(1800))
    );
    assert_eq!(floor("2032-02-29T00:00:00Z").replicas, 2);
}

#[test]
fn what_is_remembered_is_forgotten_with_its_reasons() {
    let one = [schedule("0 8 * * *", "0 18 * * *", "UTC")];
    let other = [Schedule::new("office", "0 8 * * *", "0 18 * * *", "UTC", 7).unwrap()];
    let (noon, ahead) = (at("2026-01-05T12:00Z"), Duration::from_secs(30));
    let mut known = FloorCache::default();
    assert_eq!(known.floor(&one, noon, ahead).replicas, 2);
    assert_eq!(known.floor(&other, noon, ahead).replicas, 7);
    assert_eq!(
        known.floor(&one, at("2026-01-05T07:00Z"), ahead).replicas,
        0,
        "a clock set back"
    );
    assert_eq!(
        known
            .floor(&one, at("2026-01-05T07:00Z"), Duration::from_secs(3600))
            .replicas,
        2,
        "slower pods"
    );
    assert_eq!(known.floor(&[], noon, ahead), Floor::default());
    assert_eq!(known, FloorCache::default());
}

#[test]
fn what_cannot_work_names_the_field_and_the_fix() {
    let (start, end, zone) = ("0 8 * * *", "0 18 * * *", "UTC");
    let five = "must be a cron expression of five fields";
    for (start, end, zone, field, part) in [
        ("", end, zone, "start", five),
        ("0 8 * *", end, zone, "start", five),
        ("0 0 8 * * *", end, zone, "start", five),
        ("@daily", end, zone, "start", five),
        ("0 8 * * Asia/Tokyo", end, zone, "start", five),
        ("0 8 L * *", end, zone, "start", five),
        ("0 8 15W * *", end, zone, "start", five),
        ("0 8 * * 5#3", end, zone, "start", five),
        ("0 8 * * H", end, zone, "start", five),
        ("0 8 ? * *", end, zone, "start", five),
        ("0 8 -1 * *", end, zone, "start", five),
        ("0 8\u{a0}* * *", end, zone, "start", five),
        (start, "61 8 * * *", zone, "end", "must be in range 0..=59; found 61"),
        (start, "0 8 * FOO *", zone, "end", five),
        (start, "0 8 * * FRI-MON", zone, "end", "must be in ascending order"),
        ("0 0 30 2 *", end, zone, "start", "must name a date that exists"),
        ("0 0 31 4,6,9,11 *", end, zone, "start", "must name a date that exists"),
        (start, " 0  8 * * * ", zone, "end", "must differ from `start`"),
        ("0 8 * * mon", "0 8 * * MON", zone, "end", "must differ from `start`"),
        (start, end, "Berlin", "timeZone", "such as `UTC` or `Europe/Berlin`"),
        (start, end, "", "timeZone", "must be a name"),
        (start, end, "+01:00", "timeZone", "must be a name"),
        (start, end, "Local", "timeZone", "must be a name"),
    ] {
        let error = Schedule::new("office", start, end, zone, 1).unwrap_err();
        assert_eq!(error.field, field, "{start} {end} {zone}: {error:?}");
        assert!(
            error.must.contains(part) && error.must.starts_with("must "),
            "{error:?}"
        );
        assert!(!error.must.contains('\n'), "{error:?}");
    }
    let long = format!("{} 8 * * *", "1,".repeat(60));
    assert_eq!(Schedule::new("office", &long, end, zone, 1).unwrap_err().field, "start");
    for name in ["", "a b", "a\nb", &"x".repeat(64)] {
        assert_eq!(Schedule::new(name, start, end, zone, 1).unwrap_err().field, "name");
    }
    // A rare date is a date: the first of January as a Monday, the 29 February.
    for rare in ["0 0 */31 1 1", "0 0 29 2 *"] {
        assert!(Schedule::new("rare", rare, end, zone, 1).is_ok(), "{rare}");
    }
}

#[test]
fn the_image_needs_no_time_zone_files() {
    for zone in ["UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "asia/kolkata"] {
        schedule("0 8 * * *", "0 18 * * *", zone);
    }
}
