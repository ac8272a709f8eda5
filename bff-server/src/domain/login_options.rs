//! What the app may ask of a login beyond "log in" (OpenID Connect Core 1.0 §3.1.2.1, RFC 9470 §4).
//!
//! The parameters of `/login` are a list of five, each of which configuration can switch off; nothing else
//! reaches the authorization request. They are taken from the app's own pages alone, unless configured
//! otherwise: on a link of somebody else's, `login_hint` can choose which identity provider a user is sent to,
//! and the others can annoy.

use authtool_contract::endpoint::param;
use serde::{Deserialize, Serialize};

use super::{
    parameters::{MalformedQuery, Parameter},
    time::UnixSeconds,
};

/// A parameter of `/login` that becomes one of the authorization request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginParameter {
    /// Whether, and with what, the user is bothered.
    Prompt,
    /// Who is likely to log in.
    LoginHint,
    /// How strongly to authenticate.
    AcrValues,
    /// How long ago that may have been, in seconds.
    MaxAge,
    /// In which languages to speak.
    UiLocales,
}

impl LoginParameter {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Prompt, Self::LoginHint, Self::AcrValues, Self::MaxAge, Self::UiLocales];

    /// Its name, here and at the authorization server.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => param::PROMPT,
            Self::LoginHint => param::LOGIN_HINT,
            Self::AcrValues => param::ACR_VALUES,
            Self::MaxAge => param::MAX_AGE,
            Self::UiLocales => param::UI_LOCALES,
        }
    }

    /// The parameter of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }

    /// Whether only an ID token shows that it was heeded.
    pub const fn needs_id_token(self) -> bool {
        matches!(self, Self::AcrValues | Self::MaxAge)
    }

    const fn max_bytes(self) -> usize {
        match self {
            Self::Prompt => 64,
            Self::LoginHint => 256,
            Self::AcrValues => 512,
            Self::MaxAge => 10,
            Self::UiLocales => 128,
        }
    }

    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Prompt => {
                let mut prompts = value.split(' ');
                // `none` beside another is an error at the provider; better here.
                value == PROMPT_NONE || prompts.all(|it| PROMPTS.contains(&it))
            }
            Self::LoginHint => true,
            Self::AcrValues => value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
            Self::MaxAge => value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::UiLocales => {
                value.bytes().all(|byte| matches!(byte, b' ' | b'-') || byte.is_ascii_alphanumeric())
            }
        }
    }
}

const PROMPT_NONE: &str = "none";
const PROMPTS: [&str; 4] = ["login", "consent", "select_account", "create"];

/// Which of the parameters a client's logins take, and from whom.
#[derive(Clone, Debug)]
pub struct LoginPolicy {
    /// `loginParameters`.
    pub parameters: Vec<LoginParameter>,
    /// `loginParametersFrom` is `anywhere`: links of others count too.
    pub from_anywhere: bool,
    /// `requireAcr`: a login must reach one of the `acr_values` that it asked for.
    pub require_acr: bool,
}

impl Default for LoginPolicy {
    fn default() -> Self {
        Self { parameters: LoginParameter::ALL.to_vec(), from_anywhere: false, require_acr: false }
    }
}

/// What one request to `/login` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginOptions(Vec<(LoginParameter, String)>);

/// What the answer to a login must then show. Travels in the flow, at whose end it stands: what is added goes to
/// the end here, and is nothing at zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// How long ago the user may have authenticated when the login began.
    pub max_age: Option<u64>,
    /// The authentication must be one of these, separated by spaces.
    pub acr_values: Option<String>,
    /// It must be the user of the session that is there (step-up).
    pub same_user: bool,
    /// The app only asked whether somebody is logged in: errors are an answer to it, not to a person.
    pub silent: bool,
}

impl LoginOptions {
    /// Reads the query of `/login`, strictly.
    pub fn parse(query: &str) -> Result<Self, MalformedQuery> {
        let mut options = Vec::new();
        for parameter in LoginParameter::ALL {
            let name = parameter.name();
            let Some(value) = Parameter::new(name, parameter.max_bytes()).read(query)? else { continue };
            if !parameter.accepts(&value) {
                return Err(MalformedQuery::Value(name));
            }
            options.push((parameter, value));
        }
        Ok(Self(options))
    }

    /// What [`pairs`](Self::pairs) named once.
    pub fn of_pairs(pairs: &[(String, String)]) -> Self {
        let known =
            |(name, value): &(String, String)| Some((LoginParameter::from_name(name)?, value.clone()));
        Self(pairs.iter().filter_map(known).collect())
    }

    /// What is left of it under a policy.
    #[must_use]
    pub fn under(mut self, policy: &LoginPolicy, from_the_app: bool) -> Self {
        let listens = policy.from_anywhere || from_the_app;
        let count = self.0.len();
        self.0.retain(|(parameter, _)| listens && policy.parameters.contains(parameter));
        if self.0.len() < count {
            tracing::info!(
                event = "login_parameters_ignored",
                from_the_app,
                "parameters of /login were ignored: they come from elsewhere, or are switched off"
            );
        }
        self
    }

    /// What is asked for, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(parameter, value)| (parameter.name(), value.as_str()))
    }

    /// Whether the app only asks whether somebody is logged in at the provider.
    pub fn are_silent(&self) -> bool {
        self.get(LoginParameter::Prompt) == Some(PROMPT_NONE)
    }

    fn get(&self, parameter: LoginParameter) -> Option<&str> {
        self.0.iter().find(|(it, _)| *it == parameter).map(|(_, value)| value.as_str())
    }

    /// The configured parameters with these added. What configuration sets stays as it is, but for `max_age`,
    /// of which the smaller counts: a request can only ask for more.
    pub fn added_to(&self, configured: &[(String, String)]) -> Vec<(String, String)> {
        let mut parameters = configured.to_vec();
        for (parameter, value) in &self.0 {
            match parameters.iter_mut().find(|(name, _)| name == parameter.name()) {
                None => parameters.push((parameter.name().to_owned(), value.clone())),
                Some((_, configured)) if *parameter == LoginParameter::MaxAge => {
                    if seconds(value) < seconds(configured) {
                        configured.clone_from(value);
                    }
                }
                Some(_) => {}
            }
        }
        parameters
    }

    /// What the answer to a request with these parameters must show.
    pub fn demands(&self, sent: &[(String, String)], policy: &LoginPolicy) -> Demands {
        let value = |name| sent.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        let prompt = value(LoginParameter::Prompt.name()).unwrap_or_default();
        let another = prompt.split(' ').any(|it| it == "select_account" || it == "create");
        let stronger = [LoginParameter::AcrValues, LoginParameter::MaxAge].map(|it| self.get(it).is_some());
        Demands {
            max_age: value(LoginParameter::MaxAge.name()).and_then(seconds),
            acr_values: value(LoginParameter::AcrValues.name())
                .filter(|_| policy.require_acr)
                .map(str::to_owned),
            same_user: stronger.contains(&true) && !another,
            silent: prompt == PROMPT_NONE,
        }
    }
}

impl Demands {
    /// `max_age` as it is to be compared now: the login may have been as old as it says when it began, not
    /// when the user has done with it.
    pub fn max_age_now(&self, began: UnixSeconds, now: UnixSeconds) -> Option<u64> {
        self.max_age.map(|seconds| seconds.saturating_add(now.since(began).as_secs()))
    }

    /// Whether an authentication of this class is what was asked for.
    pub fn are_met_by(&self, acr: Option<&str>) -> bool {
        self.acr_values.as_deref().is_none_or(|wanted| wanted.split(' ').any(|it| Some(it) == acr))
    }
}

fn seconds(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> LoginPolicy {
        LoginPolicy { require_acr: true, ..LoginPolicy::default() }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn sec_007_a_parameter_of_login_is_one_of_five_and_well_formed() {
        for good in [
            "prompt=none",
            "prompt=login+consent",
            "max_age=0",
            "login_hint=ada%40example.com&ui_locales=de-CH+en",
            "acr_values=urn:a+urn:b",
            "scope=admin&state=x",
        ] {
            assert!(LoginOptions::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            LoginOptions::parse("scope=admin&request=x&client_id=y").unwrap(),
            LoginOptions::default()
        );
        for bad in [
            "prompt=none+login",
            "prompt=",
            "prompt=admin",
            "prompt=login&prompt=none",
            "max_age=-1",
            "max_age=1e3",
            "max_age=99999999999",
            "login_hint=a%0d%0ab",
            "acr_values=%C3%A9",
            "ui_locales=en%26x",
            &format!("login_hint={}", "x".repeat(257)),
        ] {
            assert!(LoginOptions::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sec_007_links_of_others_and_what_is_switched_off_do_not_count() {
        let all = LoginOptions::parse("prompt=login&login_hint=ada&max_age=1").unwrap();
        assert_eq!(all.clone().under(&policy(), true), all);
        assert_eq!(all.clone().under(&policy(), false), LoginOptions::default());
        assert_eq!(all.clone().under(&LoginPolicy { from_anywhere: true, ..policy() }, false), all);
        let only_prompt = LoginPolicy { parameters: vec![LoginParameter::Prompt], ..policy() };
        assert_eq!(all.under(&only_prompt, true).added_to(&[]), pairs(&[("prompt", "login")]));
    }

    #[test]
    fn sec_016_a_request_asks_for_more_than_configuration_and_never_for_less() {
        let configured = pairs(&[("max_age", "60"), ("prompt", "consent")]);
        for (query, max_age) in [("max_age=3600", "60"), ("max_age=5", "5"), ("prompt=none", "60")] {
            let sent = LoginOptions::parse(query).unwrap().added_to(&configured);
            assert_eq!(sent, pairs(&[("max_age", max_age), ("prompt", "consent")]), "{query}");
        }
    }

    #[test]
    fn a_stronger_login_is_one_of_the_same_user_unless_another_account_is_asked_for() {
        for (query, same_user) in [
            ("max_age=0", true),
            ("acr_values=gold", true),
            ("prompt=login", false),
            ("prompt=select_account&max_age=0", false),
            ("", false),
        ] {
            let options = LoginOptions::parse(query).unwrap();
            let sent = options.added_to(&[]);
            assert_eq!(options.demands(&sent, &policy()).same_user, same_user, "{query}");
        }
    }

    #[test]
    fn an_authentication_is_compared_with_what_was_asked_for() {
        let options = LoginOptions::parse("acr_values=silver+gold").unwrap();
        let demands = options.demands(&options.added_to(&[]), &policy());
        assert!(demands.are_met_by(Some("gold")) && demands.are_met_by(Some("silver")));
        assert!(!demands.are_met_by(Some("bronze")) && !demands.are_met_by(None));
        assert!(!demands.are_met_by(Some("silver gold")));
        let voluntary = LoginPolicy { require_acr: false, ..policy() };
        assert!(options.demands(&options.added_to(&[]), &voluntary).are_met_by(None));
    }

    #[test]
    fn sec_016_the_time_that_the_login_took_does_not_count() {
        let demands = Demands { max_age: Some(0), ..Demands::default() };
        assert_eq!(demands.max_age_now(UnixSeconds::new(1_000), UnixSeconds::new(1_200)), Some(200));
    }
}
