use super::*;

#[test]
fn parts_are_rounded_up() {
    assert_eq!(part(10, 0, 0), 10);
    assert_eq!(part(10, 0, 3), 0);
    assert_eq!(part(10, 1, 3), 4);
    assert_eq!(part(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    assert_eq!(part(u64::MAX, u64::MAX, 1), u64::MAX);
}
