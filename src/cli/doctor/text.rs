//! Findings as a text and as a value. Pure.
#![deny(clippy::disallowed_methods)]

use serde_json::json;

use super::OPERATOR;
use crate::{
    cli::{
        Answer,
        causes::causes,
        columns::{columns, plain},
        status,
    },
    doctor::{Finding, Level},
    kube::Key,
    model::{form, tame},
    view::types::Pool,
};

/// Part that is about what the operator wrote into the status.
const STATUS: &str = "Status";
/// Longest text of an examination that failed, in bytes.
const WORDS: usize = 300;

/// Findings of the operator's examination, from what its program printed.
pub(super) fn read(out: &str, err: &str) -> Vec<Finding> {
    match serde_json::from_str(out) {
        Ok(findings) => findings,
        Err(_) if err.contains("unexpected argument") => vec![Finding::unknown(
            OPERATOR,
            "it is older than this plugin and does not know this examination: upgrade it; only your half is examined",
        )],
        Err(_) => {
            let said = match err.trim() {
                "" => "it printed no findings",
                said => said,
            };
            vec![Finding::unknown(
                OPERATOR,
                format!("it could not examine: {}", tame(said, WORDS)),
            )]
        }
    }
}

/// Whether the operator's program is of this plugin's version.
pub(super) fn version(printed: &str, pod: &str) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match printed.rsplit(' ').next() {
        Some(version) if version == own => Finding::good(OPERATOR, format!("`{pod}` runs, version {own}")),
        _ => Finding::unknown(
            OPERATOR,
            format!(
                "`{pod}` is `{}`, this plugin is of version {own}: use the same",
                tame(printed, WORDS)
            ),
        ),
    }
}

/// Whether it is about the way to the broker, on which a NetworkPolicy may stand.
pub(super) fn is_of_the_way(finding: &Finding) -> bool {
    finding.is_wrong() && ["DNS", "TCP"].contains(&finding.what.as_str())
}

/// What is told of one pool.
pub(super) fn of_pool(key: &Key, findings: &[Finding], whole: bool) -> Answer {
    Answer {
        text: lines(findings) + &summary(findings),
        value: json!({"namespace": key.namespace, "name": key.name, "findings": findings}),
        finding: findings.iter().any(Finding::is_wrong),
        unanswered: !whole,
        ..Answer::default()
    }
}

/// What the conditions in a pool's status say, where the operator did not examine it.
pub(super) fn by_status(pool: &Pool) -> Vec<Finding> {
    if pool.conditions.is_empty() {
        return vec![Finding::unknown(
            STATUS,
            "none of its conditions tells of trouble; that is what the operator wrote last, if it knows the pool",
        )];
    }
    let told = causes(&pool.conditions).map(|(one, _)| {
        let said = format!("{}={} {}: {}", one.kind, one.status, one.reason, one.message);
        let said = plain(&said);
        match one.status.as_str() {
            "Unknown" => Finding::unknown(STATUS, said),
            _ => Finding::wrong(STATUS, said),
        }
    });
    told.collect()
}

/// What is told of the installation and of all its pools.
pub(super) fn of_installation(findings: &[Finding], pools: &[Pool]) -> Answer {
    let rows: Vec<_> = pools
        .iter()
        .map(|pool| {
            [
                format!("{:?}", pool.state),
                format!("{}/{}", pool.namespace, pool.name),
                pool.message.clone(),
            ]
        })
        .collect();
    let states: Vec<_> = pools
        .iter()
        .map(|pool| json!({"namespace": pool.namespace, "name": pool.name, "state": pool.state, "message": pool.message}))
        .collect();
    let listed = match rows.as_slice() {
        [] => "There is no TaskWorkerPool.\n".to_owned(),
        rows => columns(rows),
    };
    Answer {
        text: lines(findings) + &summary(findings) + "\n" + &listed,
        value: json!({"findings": findings, "pools": states}),
        finding: findings.iter().any(Finding::is_wrong) || pools.iter().any(|pool| status::is_finding(pool.state)),
        ..Answer::default()
    }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn summary(findings: &[Finding]) -> String {
    let wrong = findings.iter().filter(|finding| finding.is_wrong()).count() as u64;
    let all = findings.len() as u64;
    let things = form(all, "finding", "findings");
    let unknown = findings
        .iter()
        .filter(|finding| finding.level == Level::Unknown)
        .count() as u64;
    match wrong {
        0 if unknown == 0 => format!("Nothing is wrong, of {all} {things}.\n"),
        0 => format!(
            "Nothing was found wrong; of {all} {things} {unknown} {} not known.\n",
            form(unknown, "is", "are")
        ),
        wrong => format!("{wrong} of {all} {things} {} wrong.\n", form(wrong, "is", "are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    fn key() -> Key {
        Key {
            namespace: "shop".to_owned(),
            name: "mail".to_owned(),
        }
    }

    #[test]
    fn what_is_wrong_is_a_finding_and_what_is_not_known_is_none() {
        let mut findings = vec![
            Finding::good("Pool", "valid"),
            Finding::unknown("Workers", "no pod is ready"),
        ];
        let answer = of_pool(&key(), &findings, true);
        assert!(
            !answer.finding
                && answer
                    .text
                    .ends_with("Nothing was found wrong; of 2 findings 1 is not known.\n"),
            "{}",
            answer.text
        );
        assert!(!answer.unanswered && of_pool(&key(), &findings, false).unanswered);
        let all = of_pool(&key(), &findings[..1], true);
        assert!(all.text.ends_with("Nothing is wrong, of 1 finding.\n"), "{}", all.text);
        findings.push(Finding::wrong("TCP", "refused"));
        let answer = of_pool(&key(), &findings, true);
        assert!(
            answer.finding
                && answer.text.contains("wrong   TCP")
                && answer.text.ends_with("1 of 3 findings is wrong.\n"),
            "{}",
            answer.text
        );
        assert_eq!(answer.value["findings"][2]["level"], "wrong");
        assert!(is_of_the_way(&findings[2]) && !is_of_the_way(&findings[0]));
    }

    #[test]
    fn where_the_operator_examines_nothing_its_last_words_count() {
        let mut pool = fixture::pools().remove(0);
        let said = by_status(&pool);
        assert!(
            said.iter()
                .any(|one| one.is_wrong() && one.text.contains("SourceAvailable=False")),
            "{said:?}"
        );
        pool.conditions.clear();
        assert!(by_status(&pool).iter().all(|one| one.level == Level::Unknown));
    }

    #[test]
    fn the_operators_findings_are_read_and_what_it_says_instead_is_told() {
        let found = read(r#"[{"what": "DNS", "level": "wrong", "text": "no such host"}]"#, "");
        assert_eq!(found, [Finding::wrong("DNS", "no such host")]);
        let told = |err: &str| read("", err).remove(0);
        assert!(
            told("twp-operator: there is no such pool\n")
                .text
                .contains("there is no such pool")
        );
        assert!(
            told("error: unexpected argument '--pool' found")
                .text
                .contains("upgrade")
        );
        assert_eq!(told("").level, Level::Unknown);
    }

    #[test]
    fn another_version_is_said() {
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(version(&format!("twp-operator {own}"), "twp-0").level, Level::Ok);
        let other = version("twp-operator 9.9.9", "twp-0");
        assert!(other.level == Level::Unknown && other.text.contains("9.9.9") && other.text.contains(own));
    }

    #[test]
    fn the_installation_comes_with_all_pools_the_worst_first() {
        let pools = fixture::pools();
        let answer = of_installation(&[Finding::good("CRD", "it is there")], &pools);
        assert!(answer.finding, "a pool is degraded: {}", answer.text);
        let first = format!("{:?}", pools[0].state);
        assert!(answer.text.contains(&format!("\n\n{first}")), "{}", answer.text);
        assert_eq!(answer.value["pools"].as_array().unwrap().len(), pools.len());
        let none = of_installation(&[], &[]);
        assert!(!none.finding && none.text.contains("There is no TaskWorkerPool"));
    }
}
