//! Environment files: lines of `NAME=value`, as shells, Docker, systemd and the dotenv libraries read them.
//!
//! Where these differ, a value is read as its writer most likely meant it: quotes are not part of a value, `#` begins a
//! comment at a line's start and after white space, and nothing is substituted.

use std::str::CharIndices;

use zeroize::Zeroizing;

/// The value of a name. As in a shell, the last line that sets it counts.
pub(super) fn value(text: &str, name: &str) -> Option<Zeroizing<String>> {
    let mut found = None;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|it| !it.is_empty()) {
        let line = first_line(rest);
        let mut end = at + line.len();
        if let Some((left, right)) = line.split_once('=')
            && let Some(set) = name_of(left)
        {
            // In quotes, it may go on after the line's end.
            let value = match text.get(end - right.len()..).and_then(quoted) {
                Some((value, length)) => {
                    end += length - right.len().min(length);
                    value
                }
                None => Zeroizing::new(unquoted(right).to_owned()),
            };
            if set == name {
                found = Some(value);
            }
        }
        let after = text.get(end..).unwrap_or_default();
        at = end + after.find('\n').map_or(after.len(), |line_feed| line_feed + 1);
    }
    found
}

/// What stands before the `=`. `None` in a comment.
fn name_of(left: &str) -> Option<&str> {
    let left = left.trim();
    let exported = left.strip_prefix("export").filter(|it| it.starts_with([' ', '\t']));
    (!left.starts_with(['#', ';'])).then(|| exported.unwrap_or(left).trim_start())
}

/// A value without the quotes around it, where it has some and nothing else.
pub(super) fn without_quotes(value: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| {
        let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// Without what ends it.
fn first_line(text: &str) -> &str {
    let line = text.split('\n').next().unwrap_or_default();
    line.strip_suffix('\r').unwrap_or(line)
}

/// Up to a comment, without the blanks around it.
fn unquoted(text: &str) -> &str {
    let mut blank = true;
    let comment = text.char_indices().find(|(_, it)| {
        let begins = blank && *it == '#';
        blank = it.is_whitespace();
        begins
    });
    text.get(..comment.map_or(text.len(), |(at, _)| at)).unwrap_or(text).trim()
}

/// A value in quotes, and how many bytes it takes with them. `None` if there are no quotes, or other text is beside them.
fn quoted(text: &str) -> Option<(Zeroizing<String>, usize)> {
    let begin = text.find(|it| !matches!(it, ' ' | '\t'))?;
    let mut characters = text.get(begin..)?.char_indices();
    let (_, quote) = characters.next().filter(|(_, it)| matches!(it, '"' | '\'' | '`'))?;
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let end = loop {
        match characters.next()? {
            (at, it) if it == quote => break begin + at + quote.len_utf8(),
            (_, '\\') if quote == '"' => escaped(&mut characters, &mut value)?,
            // A line break of the value, however the file writes its own.
            (_, '\r') if characters.as_str().starts_with('\n') => {}
            (_, it) => value.push(it),
        }
    };
    unquoted(first_line(text.get(end..)?)).is_empty().then_some((value, end))
}

/// What a backslash in double quotes stands for.
fn escaped(characters: &mut CharIndices<'_>, value: &mut String) -> Option<()> {
    match characters.next()?.1 {
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        it @ ('"' | '\\' | '$' | '`') => value.push(it),
        // A shell joins the two lines.
        '\n' => {}
        it => value.extend(['\\', it]),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_env_files_are_read() {
        for (file, expected) in [
            ("KEY=plain", "plain"),
            ("KEY=plain\r\nOTHER=x\r\n", "plain"),
            ("KEY = spaced \n", "spaced"),
            ("  export KEY=exported", "exported"),
            ("export\tKEY=exported", "exported"),
            ("KEY=\"in quotes\"", "in quotes"),
            ("KEY='in quotes'", "in quotes"),
            ("KEY=`in quotes`", "in quotes"),
            ("KEY= \"in quotes\"  # and a comment\r\n", "in quotes"),
            ("export KEY=\"in quotes\"\r\n", "in quotes"),
            ("KEY=' kept '", " kept "),
            ("KEY=\"\"", ""),
            ("KEY=", ""),
            ("KEY=plain # a comment", "plain"),
            ("KEY=#nothing", ""),
            ("KEY=has#no-comment", "has#no-comment"),
            ("KEY=\"has # no comment\"", "has # no comment"),
            ("# KEY=commented\n; KEY=commented\nKEY=real", "real"),
            ("KEY=first\nKEY=last", "last"),
            ("EXPORTED=1\nKEY=a=b==", "a=b=="),
            (r#"KEY="a\"b\\c\$d""#, r#"a"b\c$d"#),
            (r#"KEY="one\ntwo\q""#, "one\ntwo\\q"),
            (r"KEY='as\nit is'", r"as\nit is"),
            (r"KEY=back\slash", r"back\slash"),
            ("KEY=\"-----BEGIN\nKEY=no\n-----END\"\nOTHER=1", "-----BEGIN\nKEY=no\n-----END"),
            ("KEY='two\r\nlines'\r\nOTHER=1", "two\nlines"),
            ("OTHER=\"two\nKEY=inside\n\"\nKEY=outside", "outside"),
            // Not quotes around a value: part of it.
            ("KEY=\"open", "\"open"),
            ("KEY=it's", "it's"),
            ("KEY=\"a\"b", "\"a\"b"),
            ("KEY=$OTHER", "$OTHER"),
        ] {
            assert_eq!(value(file, "KEY").as_deref().map(String::as_str), Some(expected), "{file:?}");
        }
        for file in ["", "\n", "KEY", "#KEY=x", "KEYS=x", "exportKEY=x", "OTHER='\nKEY=x\n'", "\u{e9}=\u{e9}"]
        {
            assert_eq!(value(file, "KEY"), None, "{file:?}");
        }
    }

    #[test]
    fn quotes_around_a_whole_value_are_taken_off() {
        for (text, inner) in [
            ("\"a\"", Some("a")),
            ("'a b'", Some("a b")),
            ("\"\"", Some("")),
            ("a", None),
            ("\"", None),
            ("\"a", None),
            ("\"a'", None),
            ("\"a\"b\"", None),
        ] {
            assert_eq!(without_quotes(text), inner, "{text}");
        }
    }
}
