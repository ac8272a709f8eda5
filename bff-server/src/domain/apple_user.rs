//! Apple's `user`: what a user lets the app know of themselves, posted beside the code, at the first login only.
//!
//! Nobody signs it. It passes through the user's own browser, so a user can write into it what they like; nobody else
//! can, without the login's `state` and cookie. A name to be greeted by is all that it is good for. The `email` in it is
//! not even read: the one that counts is in the ID token.

use serde::Deserialize;

use super::parameters::Parameter;

/// The claim under which `/session` shows the name. It is unsigned: no rule and no header may be made of it.
pub const CLAIM: &str = "name";

/// Apple's are a few hundred bytes.
const USER: Parameter = Parameter::new("user", 4096);

/// Longer ones are no names.
const MAX_CHARS: usize = 128;

#[derive(Deserialize)]
struct User {
    name: Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    first_name: Option<String>,
    last_name: Option<String>,
}

/// The name in a posted response. Whatever is odd about it, it is only left out: a login does not fail for it.
pub fn display_name(form: &str) -> Option<String> {
    let text = USER.read(form).ok().flatten()?;
    let User { name } = serde_json::from_str(&text).ok()?;
    let parts = [name.first_name, name.last_name];
    let words = parts.iter().flatten().flat_map(|part| part.split_whitespace());
    let name = words.collect::<Vec<_>>().join(" ");
    let fits = !name.is_empty() && name.chars().count() <= MAX_CHARS && !name.chars().any(is_deceptive);
    fits.then_some(name)
}

/// Control characters, and those that show text in another order than it is written.
fn is_deceptive(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use url::form_urlencoded;

    fn of(user: &str) -> Option<String> {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("user", user).finish();
        display_name(&format!("state=s&code=c&{form}"))
    }

    #[test]
    fn a_name_is_put_together_of_what_there_is() {
        for (first, last, expected) in [
            (json!("Ada"), json!("Lovelace"), Some("Ada Lovelace")),
            (json!(" Ada  King "), json!("Lovelace\u{a0}"), Some("Ada King Lovelace")),
            (json!("Ada"), json!(null), Some("Ada")),
            (json!(""), json!("Lovelace"), Some("Lovelace")),
            (json!("爱达"), json!("洛芙莱斯"), Some("爱达 洛芙莱斯")),
            (json!(""), json!(" "), None),
        ] {
            let user = json!({"name": {"firstName": first, "lastName": last}, "email": "ada@example.com"});
            assert_eq!(of(&user.to_string()).as_deref(), expected, "{user}");
        }
        assert_eq!(of(r#"{"name":{"firstName":"Ada"}}"#).as_deref(), Some("Ada"));
        assert_eq!(display_name("state=s&code=c"), None, "every login after the first");
    }

    #[test]
    fn sec_031_markup_is_text_and_what_is_no_name_is_left_out() {
        let named = |name: &str| of(&json!({"name": {"firstName": name, "lastName": "x"}}).to_string());
        assert_eq!(named("<img src=x onerror=alert(1)>").as_deref(), Some("<img src=x onerror=alert(1)> x"));
        for bad in ["\u{202e}niмda", "a\u{0}b", "a\u{200b}b", &"x".repeat(128)] {
            assert_eq!(named(bad), None, "{bad:?}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "Ada",
            r#"{"name":"Ada"}"#,
            r#"{"name":{"firstName":7}}"#,
            r#"{"name":null}"#,
            r#"{"email":"admin@example.com"}"#,
            &format!(r#"{{"name":{{"firstName":"{}"}}}}"#, "x".repeat(5000)),
            &"[".repeat(4000),
        ] {
            assert_eq!(of(bad), None, "{}", &bad[..bad.len().min(60)]);
        }
        let twice = "user=%7B%22name%22%3A%7B%22firstName%22%3A%22a%22%7D%7D";
        assert!(display_name(twice).is_some());
        assert_eq!(display_name(&format!("{twice}&{twice}")), None);
        assert_eq!(display_name("user=%FF"), None);
    }
}
