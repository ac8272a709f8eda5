//! `server.outbound`, and certificates to trust wherever they stand.

use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use url::Url;

use super::{
    Notes,
    values::{secret_bytes, text_secret},
};
use crate::{
    adapters::outbound::{ClientIdentity, EgressProxy, OutboundSettings, certificates_from_pem},
    config::{
        file::{EgressSection, OutboundSection},
        secret::SecretSource,
    },
};

pub(super) fn outbound(section: OutboundSection, notes: &mut Notes) -> OutboundSettings {
    let authorities =
        section.tls.ca.and_then(|source| certificates("server.outbound.tls.ca", &source, notes));
    OutboundSettings {
        authorities: authorities.unwrap_or_default(),
        proxy: section.proxy.and_then(|section| egress(section, notes)),
    }
}

/// The certificates of a key such as `tls.ca`.
pub(super) fn certificates(
    key: &str,
    source: &SecretSource,
    notes: &mut Notes,
) -> Option<Vec<CertificateDer<'static>>> {
    let pem = secret_bytes(key, source, notes)?;
    match certificates_from_pem(&pem) {
        Ok(certificates) => Some(certificates),
        Err(error) => {
            notes.problem(
                key,
                error.to_string(),
                "give the authority's certificates as PEM, each from -----BEGIN CERTIFICATE----- to its END line; \
                 {\"type\": \"file\", \"path\": …} names a file, and `openssl x509 -inform der` converts one in DER",
            );
            None
        }
    }
}

/// A client's certificate and its key, from keys such as `tls.cert` and `tls.key`.
pub(super) fn client_identity(
    certificate_key: &str,
    certificate: &SecretSource,
    private_key_key: &str,
    private_key: &SecretSource,
    notes: &mut Notes,
) -> Option<ClientIdentity> {
    let chain = certificates(certificate_key, certificate, notes);
    let pem = secret_bytes(private_key_key, private_key, notes)?;
    let Ok(key) = PrivateKeyDer::from_pem_slice(&pem) else {
        let is_locked = String::from_utf8_lossy(&pem).contains("ENCRYPTED");
        notes.problem(
            private_key_key,
            if is_locked { "it has a passphrase" } else { "it holds no PEM private key" },
            "give the key as PEM without a passphrase (`openssl pkey -in key.pem -out plain.pem`), in a file that only the \
             server can read",
        );
        return None;
    };
    match ClientIdentity::new(chain?, key) {
        Ok(identity) => Some(identity),
        Err(error) => {
            notes.problem(
                private_key_key,
                error.to_string(),
                "give the key of the first certificate in `cert`, which comes before those of its authorities",
            );
            None
        }
    }
}

fn egress(section: EgressSection, notes: &mut Notes) -> Option<EgressProxy> {
    let at = |name: &str| format!("server.outbound.proxy.{name}");
    let direct = section.no_proxy;
    for (i, entry) in direct.iter().enumerate() {
        if !is_direct(entry) {
            notes.problem(
                &format!("{}[{i}]", at("noProxy")),
                format!("{entry:?} is neither a host name, an address nor a network"),
                "write internal.example.com (with all names below it), 10.1.2.3 or 10.0.0.0/8, for example, without \
                 scheme, port and wildcard",
            );
        }
    }
    let credentials = match (section.username, section.password) {
        (None, None) => None,
        (Some(_), None) => {
            notes.missing(&at("password"), "give the user's password, or remove `username`");
            None
        }
        (None, Some(_)) => {
            notes.missing(&at("username"), "give the user whose password it is, or remove `password`");
            None
        }
        (Some(username), Some(source)) => {
            // RFC 7617 §2: what stands before the first colon is the user.
            if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
                notes.problem(
                    &at("username"),
                    "it is empty, or has a colon or a control character",
                    "give the user's name alone",
                );
            }
            text_secret(&at("password"), &source, notes).map(|password| (username, password))
        }
    };
    let Some(url) = section.url else {
        if !notes.has(&at("url")) {
            notes.missing(&at("url"), "give the proxy's address, such as http://proxy.example.com:3128");
        }
        return None;
    };
    let url = address(&at("url"), &url, notes)?;
    let credentials = credentials.map(|(username, password)| (username, password.into()));
    Some(EgressProxy { url, credentials, direct })
}

/// The proxy's own address.
fn address(key: &str, text: &str, notes: &mut Notes) -> Option<Url> {
    let fix =
        "write http://proxy.example.com:3128, for example; https:// only if the proxy itself speaks TLS";
    let url = Url::parse(text).ok().filter(|it| it.host().is_some());
    let Some(url) = url.filter(|it| matches!(it.scheme(), "http" | "https")) else {
        notes.problem(key, "it is not the http or https URL of a proxy", fix);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        notes.problem(
            key,
            "it contains credentials",
            "move them to server.outbound.proxy.username and .password, where the password can come from a file",
        );
        return None;
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        notes.problem(key, "it is more than an address", fix);
        return None;
    }
    Some(url)
}

/// Whether an entry of `noProxy` can match anything.
fn is_direct(entry: &str) -> bool {
    let name = entry.strip_prefix('.').unwrap_or(entry);
    let label = |it: &str| {
        !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    entry.parse::<std::net::IpAddr>().is_ok() || entry.parse::<IpNet>().is_ok() || name.split('.').all(label)
}
