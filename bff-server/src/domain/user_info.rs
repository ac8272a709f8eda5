//! What `UserInfo` must say before we believe it (OpenID Connect Core 1.0 §5.3), and who a user is where there is
//! no ID token.

use serde_json::{Map, Value};

use super::{
    expected_issuer::ExpectedIssuer,
    id_token::{LEEWAY, MAX_SUBJECT, NumericDate, SignedClaims},
    time::UnixSeconds,
};

/// When a login asks for `UserInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoUse {
    /// Not at all.
    Never,
    /// When the ID token lacks one of `session.userClaims`.
    WhenMissing,
    /// At every login.
    Always,
}

/// A client's rules for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfoPolicy {
    /// `userinfo`.
    pub usage: UserInfoUse,
    /// `userinfoSubjectClaim`: which claim identifies the user where there is no ID token.
    pub subject_claim: String,
}

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserInfoRefusal {
    /// Section 5.3.2: the answer may be about somebody else.
    #[error("its `sub` is missing or not the ID token's")]
    OtherUser,
    /// Nobody could be told from anybody else.
    #[error(
        "the claim that identifies the user is missing, empty, too long, or neither text nor a whole number"
    )]
    Nobody,
    /// RFC 8725 §3.11: signed, but for another purpose.
    #[error("it is a token of another kind (header `typ`, or an `events` or `nonce` claim)")]
    Kind,
    /// Section 5.3.2.
    #[error("its `iss` is missing or not the expected issuer")]
    Issuer,
    /// Section 5.3.2.
    #[error("its `aud` is missing or does not have this client in it")]
    Audience,
    /// RFC 7519 §4.1.4.
    #[error("its `exp` is not a number, or has passed")]
    Expired,
}

/// Checks that an answer is about the user of an ID token.
pub fn check_subject(claims: &Map<String, Value>, subject: &str) -> Result<(), UserInfoRefusal> {
    match claims.get("sub").and_then(Value::as_str) {
        Some(it) if it == subject => Ok(()),
        _ => Err(UserInfoRefusal::OtherUser),
    }
}

/// Who an answer is about, by the claim that the provider identifies users with: GitHub's `id` is a number.
pub fn subject(claims: &Map<String, Value>, claim: &str) -> Result<String, UserInfoRefusal> {
    let subject = match claims.get(claim) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        _ => return Err(UserInfoRefusal::Nobody),
    };
    let fits = (1..=MAX_SUBJECT).contains(&subject.len())
        && subject.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if fits { Ok(subject) } else { Err(UserInfoRefusal::Nobody) }
}

/// The selected claims of both. Where both have one, the ID token's: it is signed, for this client and this login.
pub fn joined(mut user_info: Map<String, Value>, id_token: Map<String, Value>) -> Map<String, Value> {
    user_info.extend(id_token);
    user_info
}

impl SignedClaims {
    /// Checks a signed answer (section 5.3.2), and gives its claims.
    pub fn validate_user_info(
        self,
        issuer: &ExpectedIssuer,
        client_id: &str,
        now: UnixSeconds,
    ) -> Result<Map<String, Value>, UserInfoRefusal> {
        let kind_fits = matches!(self.kind().as_deref(), None | Some("jwt" | "userinfo+jwt"));
        if !kind_fits || self.claims.contains_key("events") || self.claims.contains_key("nonce") {
            return Err(UserInfoRefusal::Kind);
        }
        if !issuer.is_of(&self.claims) {
            return Err(UserInfoRefusal::Issuer);
        }
        let for_us = match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(|it| it.as_str() == Some(client_id)),
            Some(one) => one.as_str() == Some(client_id),
            None => false,
        };
        if !for_us {
            return Err(UserInfoRefusal::Audience);
        }
        match self.date("exp") {
            NumericDate::Absent => {}
            NumericDate::At(exp) if now < exp.plus(LEEWAY) => {}
            _ => return Err(UserInfoRefusal::Expired),
        }
        Ok(self.claims)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{id_token::SignatureHash, provider_json},
        *,
    };

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("claims are an object") };
        map
    }

    #[test]
    fn sec_050_the_answer_must_be_about_the_user_of_the_id_token() {
        assert_eq!(check_subject(&map(json!({"sub": "ada"})), "ada"), Ok(()));
        for other in [json!({}), json!({"sub": "eve"}), json!({"sub": ""}), json!({"sub": ["ada"]})] {
            assert_eq!(check_subject(&map(other.clone()), "ada"), Err(UserInfoRefusal::OtherUser), "{other}");
        }
    }

    #[test]
    fn sec_049_a_user_without_an_id_token_is_whom_the_configured_claim_names() {
        let of = |value: Value| subject(&map(json!({"id": value, "email": "a@b.c"})), "id");
        assert_eq!(of(json!(583_231)).unwrap(), "583231");
        assert_eq!(of(json!("u-1")).unwrap(), "u-1");
        for nobody in [
            json!(null),
            json!(""),
            json!(1.5),
            json!(-1),
            json!(1e30),
            json!(true),
            json!(["u-1"]),
            json!("ö"),
            json!("a\nb"),
            json!("x".repeat(256)),
        ] {
            assert_eq!(of(nobody.clone()), Err(UserInfoRefusal::Nobody), "{nobody}");
        }
        assert!(subject(&map(json!({"email": "a@b.c"})), "id").is_err());
    }

    #[test]
    fn sec_050_a_signed_answer_is_from_the_provider_and_for_us() {
        let check = |changes: Value, typ: Option<&str>| {
            let mut claims = map(json!({"iss": "https://op.example", "aud": ["app", "api"], "sub": "ada"}));
            claims.extend(map(changes));
            let claims = provider_json::object(Value::Object(claims).to_string().as_bytes()).unwrap();
            let signed = SignedClaims { claims, typ: typ.map(str::to_owned), hash: SignatureHash::Sha256 };
            let issuer = ExpectedIssuer::Exactly("https://op.example".into());
            signed.validate_user_info(&issuer, "app", NOW).err()
        };
        for (changes, typ) in [
            (json!({}), None),
            (json!({"aud": "app", "exp": NOW.get()}), Some("JWT")),
            (json!({"exp": null, "nonce": null, "events": null}), None),
            (json!({}), Some("application/userinfo+jwt")),
        ] {
            assert_eq!(check(changes.clone(), typ), None, "{changes}");
        }
        for (changes, typ, refusal) in [
            (json!({"iss": null}), None, UserInfoRefusal::Issuer),
            (json!({"iss": "https://evil.example"}), None, UserInfoRefusal::Issuer),
            (json!({"aud": "other"}), None, UserInfoRefusal::Audience),
            (json!({"aud": null}), None, UserInfoRefusal::Audience),
            (json!({"exp": NOW.get() - 120}), None, UserInfoRefusal::Expired),
            (json!({"exp": "soon"}), None, UserInfoRefusal::Expired),
            (json!({"nonce": "n"}), None, UserInfoRefusal::Kind),
            (json!({"events": {}}), None, UserInfoRefusal::Kind),
            (json!({}), Some("at+jwt"), UserInfoRefusal::Kind),
            (json!({}), Some("logout+jwt"), UserInfoRefusal::Kind),
        ] {
            assert_eq!(check(changes.clone(), typ), Some(refusal), "{changes} {typ:?}");
        }
    }

    #[test]
    fn the_id_tokens_claims_come_before_those_of_user_info() {
        let both = joined(map(json!({"name": "old", "email": "a@b.c"})), map(json!({"name": "Ada"})));
        assert_eq!(Value::Object(both), json!({"name": "Ada", "email": "a@b.c"}));
    }
}
