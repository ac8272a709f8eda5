//! Which claims `/session` shows.

use serde_json::{Map, Value};

/// Selects the claims named in `session.userClaims`; a claim that the provider did not send stays absent.
pub fn select(claims: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    names.iter().filter_map(|name| claims.get(name).map(|value| (name.clone(), value.clone()))).collect()
}

/// What an authentication was like (OpenID Connect Core 1.0 §2): the login's, for as long as the session lasts.
const OF_THE_AUTHENTICATION: [&str; 3] = ["acr", "amr", "auth_time"];

/// The claims of a refreshed ID token for a session that showed `before`. What says how the user authenticated stays as it was
/// at the login: a provider may speak of another login of the same user, and a step-up verified this one.
pub fn continued(mut refreshed: Map<String, Value>, before: &Map<String, Value>) -> Map<String, Value> {
    for claim in OF_THE_AUTHENTICATION {
        match before.get(claim) {
            Some(value) => refreshed.insert(claim.to_owned(), value.clone()),
            None => refreshed.remove(claim),
        };
    }
    refreshed
}

/// Every request opens the record that they are in, and `/session` answers them.
const MAX_BYTES: usize = 16 * 1024;

/// Takes the largest away until the rest is no burden, and gives the names of those.
pub fn drop_excess(claims: &mut Map<String, Value>) -> Vec<String> {
    let mut sizes: Vec<_> = claims
        .iter()
        .map(|(name, value)| (name.len() + value.to_string().len() + "\"\":,".len(), name.clone()))
        .collect();
    sizes.sort_unstable();
    let mut total: usize = sizes.iter().map(|(size, _)| size).sum();
    let mut dropped = Vec::new();
    while total > MAX_BYTES
        && let Some((size, name)) = sizes.pop()
    {
        total -= size;
        claims.remove(&name);
        dropped.push(name);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sec_064_what_would_be_a_burden_to_every_request_is_left_out() {
        let of = |bytes: usize| Value::String("x".repeat(bytes));
        let claims = json!({"sub": "ada", "groups": of(9000), "photo": of(70_000), "name": of(7000)});
        let mut claims = claims.as_object().unwrap().clone();
        assert_eq!(drop_excess(&mut claims), ["photo"]);
        assert_eq!(drop_excess(&mut claims), [""; 0]);
        assert_eq!(claims.keys().map(String::as_str).collect::<Vec<_>>(), ["groups", "name", "sub"]);
        claims.insert("roles".to_owned(), of(8000));
        assert_eq!(drop_excess(&mut claims), ["groups"]);
        assert!(Value::Object(claims).to_string().len() <= MAX_BYTES);
    }

    #[test]
    fn sec_098_and_101_all_claims_but_those_of_the_authentication_follow_a_refresh() {
        let map = |value: Value| value.as_object().unwrap().clone();
        for (before, refreshed, after) in [
            (
                json!({"email": "a@b.c", "acr": "1", "amr": ["pwd"], "auth_time": 1}),
                json!({"email": "x@y.z", "acr": "3", "amr": ["mfa"], "auth_time": 2}),
                json!({"email": "x@y.z", "acr": "1", "amr": ["pwd"], "auth_time": 1}),
            ),
            (json!({"acr": "1"}), json!({"name": "Ada"}), json!({"name": "Ada", "acr": "1"})),
            (json!({}), json!({"acr": "3", "auth_time": 2, "name": "Ada"}), json!({"name": "Ada"})),
            (json!({"name": "Ada"}), json!({}), json!({})),
        ] {
            assert_eq!(continued(map(refreshed.clone()), &map(before)), map(after), "{refreshed}");
        }
    }

    #[test]
    fn sec_064_only_the_selected_claims_are_kept() {
        let claims = json!({"sub": "1", "email": "a@b.c", "nonce": "n", "sid": "s", "at_hash": "h"});
        let selected = select(claims.as_object().unwrap(), &["email".into(), "name".into()]);
        assert_eq!(Value::Object(selected), json!({"email": "a@b.c"}));
    }
}
