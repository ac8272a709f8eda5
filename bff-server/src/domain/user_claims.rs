//! Which claims `/session` shows.

use serde_json::{Map, Value};

/// Selects the claims named in `session.userClaims`; a claim that the provider did not send stays absent.
pub fn select(claims: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    names.iter().filter_map(|name| claims.get(name).map(|value| (name.clone(), value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sec_064_only_the_selected_claims_are_kept() {
        let claims = json!({"sub": "1", "email": "a@b.c", "nonce": "n", "sid": "s", "at_hash": "h"});
        let selected = select(claims.as_object().unwrap(), &["email".into(), "name".into()]);
        assert_eq!(Value::Object(selected), json!({"email": "a@b.c"}));
    }
}
