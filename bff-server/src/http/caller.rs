//! Who calls, where Fetch Metadata cannot tell: gateways and operators by what they know, clients by the proxies
//! they come through.

use std::net::{IpAddr, SocketAddr};

use authtool_contract::header::GATEWAY_CREDENTIAL;
use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderValue, header};
use ipnet::IpNet;

use crate::seal::SharedSecrets;

/// Why a caller is not taken for the gateway, if a gateway must prove that it is one.
pub(crate) fn gateway_refusal(secrets: Option<&SharedSecrets>, headers: &HeaderMap) -> Option<&'static str> {
    refusal(secrets, || only(headers, GATEWAY_CREDENTIAL)).then_some(
        "whoever asks for a token must prove to be the gateway: x-authtool-gateway is missing, doubled or wrong \
         (server.gatewayCredential)",
    )
}

/// Why a caller is not taken for an operator, if an operator must prove to be one (RFC 6750 §2.1).
pub(crate) fn operator_refusal(secrets: Option<&SharedSecrets>, headers: &HeaderMap) -> Option<&'static str> {
    let bearer = || {
        let (scheme, credential) =
            only(headers, header::AUTHORIZATION.as_str())?.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(credential)
    };
    refusal(secrets, bearer).then_some(
        "the Authorization header lacks the operator's credential (server.internal.operatorCredential)",
    )
}

fn refusal<'a>(secrets: Option<&SharedSecrets>, presented: impl FnOnce() -> Option<&'a [u8]>) -> bool {
    secrets.is_some_and(|secrets| !presented().is_some_and(|it| secrets.admit(it)))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    values.next().filter(|_| values.next().is_none())
}

/// Where a request comes from, as far as it can be believed. For the log and for traces: nothing is decided by
/// it (SEC-69).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client's address; `None` if whoever mounts us does not tell.
    pub(crate) client: Option<IpAddr>,
    /// The request came from one of `server.trustedProxies`.
    pub(crate) through_a_trusted_proxy: bool,
}

impl Origin {
    /// The last address in `X-Forwarded-For` that is not itself a trusted proxy's: everything before it may be
    /// the client's invention.
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        Self::behind(extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()), headers, trusted)
    }

    /// The same, of a request that comes from this address.
    pub(crate) fn behind(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.map(|peer| peer.to_canonical());
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        let Some(peer) = peer.filter(|peer| is_trusted(*peer)) else {
            return Self { client: peer, through_a_trusted_proxy: false };
        };
        let mut client = peer;
        let values: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        for value in values.into_iter().rev() {
            let address = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
            let Some(address) = address.map(|it| it.to_canonical()) else { break };
            client = address;
            if !is_trusted(address) {
                break;
            }
        }
        Self { client: Some(client), through_a_trusted_proxy: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> (String, bool) {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|it| it.parse().unwrap()).collect();
        let origin = Origin::of(&extensions, &headers, &trusted);
        (origin.client.unwrap().to_string(), origin.through_a_trusted_proxy)
    }

    #[test]
    fn sec_151_only_a_trusted_proxy_says_where_a_request_comes_from() {
        let spoofed = ["192.0.2.66"];
        assert_eq!(client("198.51.100.1", &spoofed, &[]), ("198.51.100.1".into(), false));
        assert_eq!(client("198.51.100.1", &spoofed, &["10.0.0.0/8"]), ("198.51.100.1".into(), false));
        assert_eq!(client("10.1.2.3", &spoofed, &["10.0.0.0/8"]), ("192.0.2.66".into(), true));
        assert_eq!(client("::ffff:10.1.2.3", &spoofed, &["10.0.0.0/8"]), ("192.0.2.66".into(), true));
    }

    #[test]
    fn sec_151_what_the_client_put_before_its_own_address_is_not_believed() {
        let trusted = ["10.0.0.0/8"];
        for (forwarded, expected) in [
            (&["6.6.6.6, 192.0.2.1"][..], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1, 10.9.9.9"], "192.0.2.1"),
            (&["6.6.6.6, nonsense, 10.9.9.9"], "10.9.9.9"),
            (&["10.7.7.7, 10.9.9.9"], "10.7.7.7"),
            (&[], "10.1.2.3"),
            (&[""], "10.1.2.3"),
        ] {
            assert_eq!(client("10.1.2.3", forwarded, &trusted), (expected.into(), true), "{forwarded:?}");
        }
    }

    #[test]
    fn sec_067_a_credential_must_come_once_and_be_right() {
        let secrets = SharedSecrets::new(&["g".repeat(32)]);
        let refusal = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(GATEWAY_CREDENTIAL, value.parse().unwrap());
            }
            gateway_refusal(Some(&secrets), &headers).is_some()
        };
        let right = "g".repeat(32);
        assert!(!refusal(&[&right]));
        for wrong in [&[][..], &[""], &["wrong"], &[&right, &right], &["wrong", &right]] {
            assert!(refusal(wrong), "{wrong:?}");
        }
        assert!(gateway_refusal(None, &HeaderMap::new()).is_none());
    }

    #[test]
    fn an_operator_sends_a_bearer_credential() {
        let secrets = SharedSecrets::new(&["o".repeat(32)]);
        let refusal = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            operator_refusal(Some(&secrets), &headers).is_some()
        };
        let right = "o".repeat(32);
        assert!(!refusal(&format!("Bearer {right}")));
        assert!(!refusal(&format!("bearer {right}")));
        for wrong in ["", "Bearer", "Bearer ", &right, &format!("Basic {right}"), &format!("Bearer {right}x")]
        {
            assert!(refusal(wrong), "{wrong:?}");
        }
    }
}
