//! HTML forms, as far as a login page needs them.

use html5gum::{StartTag, Token, Tokenizer};
use http::Method;
use url::{Url, form_urlencoded};

/// A form of a page.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is sent.
    pub action: Url,
    /// How it is sent.
    pub method: Method,
    /// Its successful controls. Of the submit buttons the first one is pressed.
    pub fields: Vec<(String, String)>,
    id: Option<String>,
    button_pressed: bool,
}

impl Form {
    /// Every form of a document.
    pub fn all(page: &Url, html: &str) -> Vec<Self> {
        let mut forms: Vec<Self> = Vec::new();
        let mut inside = false;
        for token in Tokenizer::new(html) {
            match token {
                Ok(Token::StartTag(tag)) if *tag.name == b"form"[..] => {
                    forms.push(Self::opened_by(&tag, page));
                    inside = true;
                }
                Ok(Token::EndTag(tag)) if *tag.name == b"form"[..] => inside = false,
                Ok(Token::StartTag(tag)) if *tag.name == b"input"[..] || *tag.name == b"button"[..] => {
                    // A control belongs to the form around it, or to the one that it names.
                    let owner = match attribute(&tag, "form") {
                        Some(id) => forms.iter_mut().find(|form| form.id.as_ref() == Some(&id)),
                        None => forms.last_mut().filter(|_| inside),
                    };
                    if let Some(form) = owner {
                        form.add_control(&tag);
                    }
                }
                _ => {}
            }
        }
        forms
    }

    fn opened_by(tag: &StartTag<()>, page: &Url) -> Self {
        let action = attribute(tag, "action").unwrap_or_default();
        let post = attribute(tag, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        Self {
            action: page.join(&action).expect("an action is a URL"),
            method: if post { Method::POST } else { Method::GET },
            fields: Vec::new(),
            id: attribute(tag, "id"),
            button_pressed: false,
        }
    }

    fn add_control(&mut self, tag: &StartTag<()>) {
        let kind = attribute(tag, "type").unwrap_or_default().to_ascii_lowercase();
        let included = match kind.as_str() {
            "checkbox" | "radio" => attribute(tag, "checked").is_some(),
            "button" | "reset" | "image" | "file" => false,
            _ if kind == "submit" || *tag.name == b"button"[..] => {
                !std::mem::replace(&mut self.button_pressed, true)
            }
            _ => true,
        };
        if let Some(name) = attribute(tag, "name").filter(|_| included) {
            self.fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }

    /// Whether it has a control of this name.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other == name)
    }

    /// Fills a control in.
    pub fn fill(&mut self, name: &str, value: &str) {
        self.fields.retain(|(other, _)| other != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Url {
        Url::parse("http://127.0.0.1:1/interaction/a").unwrap()
    }

    #[test]
    fn a_login_form_is_read_as_a_browser_reads_it() {
        let html = r#"<form method=post action="/login?a=1&amp;b=2"><input name=login value="a&quot;da">
            <input type=password name=password><input type=checkbox name=remember>
            <button type=submit>Go</button><button name=abort value=yes>No</button></form>"#;
        let form = &Form::all(&page(), html)[0];
        assert_eq!(form.action.as_str(), "http://127.0.0.1:1/login?a=1&b=2");
        assert_eq!(form.encode(), "login=a%22da&password=");
    }

    #[test]
    fn a_button_elsewhere_on_the_page_belongs_to_the_form_it_names() {
        let html = "<form id=out method=post action=/confirm><input type=hidden name=xsrf value=1></form>
            <button type=submit form=out name=logout value=yes>Yes</button><button form=out>No</button>";
        assert_eq!(Form::all(&page(), html)[0].encode(), "xsrf=1&logout=yes");
    }
}
