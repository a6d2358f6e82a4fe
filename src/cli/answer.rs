//! Answer of a command: a small value, which the program prints.
#![deny(clippy::disallowed_methods)]

use serde_json::Value;

/// Answer of a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Text for a person, or the file that was asked for.
    pub text: String,
    /// Text beside a file, which is not part of it.
    pub aside: String,
    /// The same for a program.
    pub value: Value,
    /// Whether there is something to be mended: the program ends with 2.
    pub finding: bool,
    /// Whether the question is not answered, whatever is told: without a finding the program ends with 1.
    pub unanswered: bool,
}

impl Answer {
    /// Answer that is a text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// What goes to the standard output.
    ///
    /// # Errors
    /// Never in practice: a value that cannot be written.
    pub fn printed(&self, format: Format) -> Result<String, String> {
        match format {
            Format::Text => Ok(self.text.clone()),
            Format::Json => serde_json::to_string_pretty(&self.value)
                .map(|text| text + "\n")
                .map_err(|error| error.to_string()),
            Format::Yaml => serde_saphyr::to_string(&self.value).map_err(|error| error.to_string()),
        }
    }
}

/// Form of an answer.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
    /// For a program, or a person.
    Yaml,
}

/// Flag of the commands whose answer a program may want.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct OutputArgs {
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_has_three_forms() {
        let answer = Answer {
            value: json!({"pools": [{"name": "mail"}]}),
            ..Answer::text("mail\n")
        };
        let printed = |format| answer.printed(format).unwrap();
        assert_eq!(printed(Format::Text), "mail\n");
        assert_eq!(
            serde_json::from_str::<Value>(&printed(Format::Json)).unwrap(),
            answer.value
        );
        assert_eq!(
            serde_saphyr::from_str::<Value>(&printed(Format::Yaml)).unwrap(),
            answer.value
        );
        assert!(printed(Format::Json).ends_with("}\n") && printed(Format::Yaml).ends_with("mail\n"));
    }
}
