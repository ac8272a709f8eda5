//! Which issuer a client's ID tokens may carry (OpenID Connect Core 1.0 §3.1.3.7, rule 2): one, to the letter.
//!
//! A provider with many tenants behind one metadata document (Entra ID) writes a template there,
//! `https://login.microsoftonline.com/{tenantid}/v2.0`, and each token carries its own tenant's issuer. That is
//! still one issuer to the letter, once the token's `tid` is put in, for a tenant that configuration lists.

use serde_json::{Map, Value};

/// What stands for the tenant in a template.
pub const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// The claim that names a token's tenant.
const TENANT_CLAIM: &str = "tid";

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedIssuer {
    /// The configured issuer, or `idTokenValidationIssuer`.
    Exactly(String),
    /// The same with a tenant in it.
    OfTenant {
        /// What stands before the tenant.
        before: String,
        /// What stands after it.
        after: String,
        /// Whose users may log in.
        tenants: AllowedTenants,
    },
}

/// `allowedTenants`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedTenants {
    /// These, in lower case.
    Listed(Vec<String>),
    /// Everybody's: `["*"]`.
    Any,
}

impl AllowedTenants {
    fn allow(&self, tenant: &str) -> bool {
        is_tenant_id(tenant)
            && match self {
                Self::Listed(listed) => listed.iter().any(|it| it == tenant),
                Self::Any => true,
            }
    }
}

impl ExpectedIssuer {
    /// A template, if there is one placeholder in it.
    pub fn of_tenant(template: &str, tenants: AllowedTenants) -> Option<Self> {
        let (before, after) = template.split_once(TENANT_PLACEHOLDER)?;
        (!after.contains(TENANT_PLACEHOLDER)).then(|| Self::OfTenant {
            before: before.to_owned(),
            after: after.to_owned(),
            tenants,
        })
    }

    /// Whether tokens of this issuer may be this client's: their `iss` as it is, before anything is verified.
    pub fn admits(&self, issuer: &str) -> bool {
        match self {
            Self::Exactly(expected) => expected == issuer,
            Self::OfTenant { .. } => self.is_tenants(issuer),
        }
    }

    /// Whether this is the issuer of an allowed tenant.
    pub fn is_tenants(&self, issuer: &str) -> bool {
        self.tenant_in(issuer).is_some()
    }

    /// Whether an ID token with these claims is of this issuer. With tenants, its `tid` must be the one in its
    /// `iss`.
    pub fn is_of(&self, claims: &Map<String, Value>) -> bool {
        let text = |claim| claims.get(claim).and_then(Value::as_str);
        let Some(issuer) = text("iss") else { return false };
        match self {
            Self::Exactly(expected) => expected == issuer,
            Self::OfTenant { .. } => {
                self.tenant_in(issuer).is_some_and(|tenant| text(TENANT_CLAIM) == Some(tenant))
            }
        }
    }

    /// All issuers there can be, if their number is finite.
    pub fn known(&self) -> Option<Vec<String>> {
        match self {
            Self::Exactly(issuer) => Some(vec![issuer.clone()]),
            Self::OfTenant { before, after, tenants: AllowedTenants::Listed(tenants) } => {
                Some(tenants.iter().map(|tenant| format!("{before}{tenant}{after}")).collect())
            }
            Self::OfTenant { tenants: AllowedTenants::Any, .. } => None,
        }
    }

    fn tenant_in<'a>(&self, issuer: &'a str) -> Option<&'a str> {
        let Self::OfTenant { before, after, tenants } = self else { return None };
        let tenant = issuer.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
        tenants.allow(tenant).then_some(tenant)
    }
}

/// A GUID in lower case, as tokens carry it: nothing that could be more than one segment of a path.
pub fn is_tenant_id(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";
    const OURS: &str = "11111111-2222-3333-4444-55555555abcd";
    const OTHER: &str = "99999999-2222-3333-4444-555555555555";

    fn of(expected: &ExpectedIssuer, iss: &str, tid: &Value) -> bool {
        expected.is_of(json!({"iss": iss, "tid": tid}).as_object().unwrap())
    }

    #[test]
    fn sec_038_an_issuer_is_compared_to_the_letter() {
        let expected = ExpectedIssuer::Exactly("https://op.example".into());
        assert!(of(&expected, "https://op.example", &json!(null)));
        for wrong in ["https://op.example/", "https://OP.example", "https://op.example:443", ""] {
            assert!(!of(&expected, wrong, &json!(null)), "{wrong}");
            assert!(!expected.admits(wrong), "{wrong}");
        }
        assert!(!expected.is_of(&Map::new()));
    }

    #[test]
    fn sec_038_a_tenants_issuer_carries_the_tokens_own_and_allowed_tenant() {
        let listed = AllowedTenants::Listed(vec![OURS.into()]);
        let expected = ExpectedIssuer::of_tenant(TEMPLATE, listed).unwrap();
        let issuer = |tenant: &str| TEMPLATE.replace(TENANT_PLACEHOLDER, tenant);
        assert!(of(&expected, &issuer(OURS), &json!(OURS)));
        assert_eq!(expected.known().unwrap(), [issuer(OURS)]);
        for (iss, tid) in [
            (issuer(OTHER), json!(OTHER)),
            (issuer(OURS), json!(OTHER)),
            (issuer(OURS), json!(null)),
            (issuer(OURS), json!([OURS])),
            (TEMPLATE.to_owned(), json!(TENANT_PLACEHOLDER)),
            (issuer(""), json!("")),
            (issuer(&OURS.to_uppercase()), json!(OURS)),
            (issuer(&format!("{OURS}/")), json!(OURS)),
            (format!("{}/", issuer(OURS)), json!(OURS)),
            (issuer(OURS).replace("login", "evil"), json!(OURS)),
        ] {
            assert!(!of(&expected, &iss, &tid), "{iss} {tid}");
        }
    }

    #[test]
    fn sec_038_any_tenant_is_still_a_tenant() {
        let expected = ExpectedIssuer::of_tenant(TEMPLATE, AllowedTenants::Any).unwrap();
        let issuer = |tenant: &str| TEMPLATE.replace(TENANT_PLACEHOLDER, tenant);
        assert!(of(&expected, &issuer(OTHER), &json!(OTHER)));
        for odd in ["a/../b", "", "common", "*", TENANT_PLACEHOLDER, "11111111-2222-3333-4444-55555555555g"] {
            assert!(!of(&expected, &issuer(odd), &json!(odd)), "{odd}");
        }
        assert_eq!(expected.known(), None);
        assert!(ExpectedIssuer::of_tenant("https://login.example", AllowedTenants::Any).is_none());
        assert!(ExpectedIssuer::of_tenant("{tenantid}{tenantid}", AllowedTenants::Any).is_none());
    }
}
