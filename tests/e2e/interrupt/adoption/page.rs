//! What docs/gitops.md says: its commands, as they stand there.

use serde_json::Value;

const PAGE: &str = include_str!("../../../../docs/gitops.md");

/// The blocks of commands of a section, in their order.
pub fn commands(heading: &str) -> Vec<String> {
    blocks(heading, "```sh\n")
}

/// The first YAML of a section.
pub fn settings(heading: &str) -> Value {
    serde_saphyr::from_str(&blocks(heading, "```yaml\n")[0]).expect("YAML")
}

fn blocks(heading: &str, fence: &str) -> Vec<String> {
    let mut sections = PAGE.split("\n### ");
    let section = sections.find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("docs/gitops.md has no section {heading}"));
    let blocks = section.split(fence).skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<_> = blocks.map(dedented).collect();
    assert!(!blocks.is_empty(), "the section {heading} has no block of this kind");
    blocks
}

/// Without the indentation of the list that a block stands in.
fn dedented(block: &str) -> String {
    let indentation = block.len() - block.trim_start().len();
    let lines = block.lines().map(|line| line.get(indentation..).unwrap_or_default());
    lines.map(|line| format!("{line}\n")).collect()
}
