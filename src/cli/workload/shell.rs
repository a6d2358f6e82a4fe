//! Scripts of a shell as the simple commands in them: as much of the language as start scripts use.
#![deny(clippy::disallowed_methods)]

/// Value of a variable, as far as it is known.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Words of the shell before a command.
const RESERVED: [&str; 12] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "command", "builtin",
];

/// Commands of a script, each with its words. What is not known of a variable stays as it is written, as `${NAME}`.
pub(super) fn commands(script: &str, lookup: Lookup) -> Vec<Vec<String>> {
    let mut reader = Reader {
        text: script.chars().collect(),
        at: 0,
        lookup,
        word: None,
        words: Vec::new(),
        commands: Vec::new(),
        skips: false,
    };
    reader.read();
    reader.commands
}

/// Words with what Kubernetes puts in the place of `$(NAME)`.
pub(super) fn substituted(word: &str, lookup: Lookup) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name.and_then(|(name, after)| Some((lookup(name)?, after))) {
            Some((value, after)) => {
                out += &value;
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out + rest
}

/// Whether a text is the name of a variable.
pub(in crate::cli) fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(inner)
}

struct Reader<'a> {
    text: Vec<char>,
    at: usize,
    lookup: Lookup<'a>,
    /// Word that is being read; an empty one is a word where it stands in quotes.
    word: Option<String>,
    words: Vec<String>,
    commands: Vec<Vec<String>>,
    /// Whether the next word is the file of a redirection.
    skips: bool,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(next) => self.push(next),
                },
                '\'' => {
                    self.word.get_or_insert_default();
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        self.push(c);
                    }
                }
                '"' => self.quoted(),
                '$' => self.variable(false),
                '`' => self.nested('`', '`'),
                '#' if self.word.is_none() => while self.next().is_some_and(|c| c != '\n') {},
                '>' | '<' => self.redirection(),
                ' ' | '\t' => self.end_word(),
                '\n' | ';' | '&' | '|' | '(' | ')' => self.end_command(),
                c => self.push(c),
            }
            // A comment has taken the end of its line with it.
            if c == '#' && self.word.is_none() {
                self.end_command();
            }
        }
        self.end_command();
    }

    fn next(&mut self) -> Option<char> {
        let c = self.text.get(self.at).copied();
        self.at += 1;
        c
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.next().filter(|c| *c != '"') {
            match c {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                '$' => self.variable(true),
                '`' => self.nested('`', '`'),
                c => self.push(c),
            }
        }
    }

    /// What stands after a `$`.
    fn variable(&mut self, quoted: bool) {
        match self.peek() {
            Some('(') => {
                self.push('$');
                self.at += 1;
                self.nested('(', ')');
            }
            Some('{') => {
                self.at += 1;
                let mut inner = String::new();
                while let Some(c) = self.next().filter(|c| *c != '}') {
                    inner.push(c);
                }
                let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, rest) = inner.split_at(end.unwrap_or(inner.len()));
                let usual = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
                let value = (self.lookup)(name).or_else(|| usual.map(str::to_owned));
                self.insert(value, &format!("${{{name}}}"), quoted);
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.at += 1;
                }
                self.insert((self.lookup)(&name), &format!("${{{name}}}"), quoted);
            }
            _ => self.push('$'),
        }
    }

    /// Puts in the value of a variable, which is several words where it is not in quotes.
    fn insert(&mut self, value: Option<String>, unknown: &str, quoted: bool) {
        let Some(value) = value else {
            return unknown.chars().for_each(|c| self.push(c));
        };
        for c in value.chars() {
            match c.is_whitespace() && !quoted {
                true => self.end_word(),
                false => self.push(c),
            }
        }
    }

    /// Command in the place of a word, as it is written.
    fn nested(&mut self, open: char, close: char) {
        self.push(open);
        let mut depth = 1;
        while let Some(c) = self.next() {
            self.push(c);
            depth += i32::from(c == open && open != close) - i32::from(c == close);
            if depth == 0 {
                return;
            }
        }
    }

    fn redirection(&mut self) {
        // The number of a file before it is no word.
        if self
            .word
            .as_deref()
            .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        while self.peek().is_some_and(|c| matches!(c, '>' | '<' | '&' | '|' | '-')) {
            self.at += 1;
        }
        self.skips = true;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if self.skips {
            self.skips = false;
        } else {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.skips = false;
        let words = std::mem::take(&mut self.words);
        let is_before = |word: &&String| {
            let assigns = word.split_once('=').is_some_and(|(name, _)| is_name(name));
            RESERVED.contains(&word.as_str()) || assigns
        };
        let before = words.iter().take_while(is_before).count();
        if let Some(words) = words.get(before..).filter(|words| !words.is_empty()) {
            self.commands.push(words.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        [("QUEUES", "mail,pdf"), ("ARGS", "-c 4 -E")]
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }

    #[test]
    fn a_script_is_its_commands() {
        let table: [(&str, &[&str]); 12] = [
            ("celery -A shop worker", &["celery|-A|shop|worker"]),
            ("a b; c && d || e | f & g", &["a|b", "c", "d", "e", "f", "g"]),
            (
                "until nc -z db; do sleep 1; done\nexec celery",
                &["nc|-z|db", "sleep|1", "done", "exec|celery"],
            ),
            (
                "celery \\\n  worker # all of them; no\nnext",
                &["celery|worker", "next"],
            ),
            ("a 'b c' \"d $QUEUES\" ''", &["a|b c|d mail,pdf|"]),
            ("celery -Q ${QUEUES} $ARGS", &["celery|-Q|mail,pdf|-c|4|-E"]),
            ("celery -c ${N:-3} -Q ${GONE}", &["celery|-c|3|-Q|${GONE}"]),
            ("A=1 B='2 3' celery worker", &["celery|worker"]),
            ("celery > /dev/null 2>&1 worker", &["celery|worker"]),
            ("celery -n a@$(hostname -s) x", &["celery|-n|a@$(hostname -s)|x"]),
            ("(cd /app; celery)", &["cd|/app", "celery"]),
            ("echo `date +%s` \"a\\\"b\"", &["echo|`date +%s`|a\"b"]),
        ];
        for (script, wanted) in table {
            let found: Vec<_> = commands(script, &lookup).iter().map(|words| words.join("|")).collect();
            assert_eq!(found, wanted, "{script}");
        }
    }

    #[test]
    fn kubernetes_knows_its_own_variables_alone() {
        for (word, wanted) in [
            ("$(QUEUES)", "mail,pdf"),
            ("a-$(QUEUES)-$(GONE)", "a-mail,pdf-$(GONE)"),
            ("$$(QUEUES)", "$(QUEUES)"),
            ("$QUEUES 5$", "$QUEUES 5$"),
        ] {
            assert_eq!(substituted(word, &lookup), wanted, "{word}");
        }
    }
}
