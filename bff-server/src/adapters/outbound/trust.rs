//! One answer for all outgoing TLS connections to the question whom they trust.

use std::{
    fmt,
    sync::{Arc, Once},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

/// Why a file of certificates cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCertificates {
    /// There is none in it.
    #[error("it holds no PEM certificate")]
    None,
    /// There is a key instead.
    #[error("it holds a private key, and no certificate")]
    PrivateKey,
    /// One of them cannot be read, counted from 1.
    #[error("certificate number {0} in it cannot be read")]
    Malformed(usize),
}

/// Every certificate in a PEM text, each known to be one that can be trusted.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusableCertificates> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let number = certificates.len() + 1;
        let certificate = certificate.map_err(|_| UnusableCertificates::Malformed(number))?;
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|_| UnusableCertificates::Malformed(number))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        let is_key = String::from_utf8_lossy(pem).contains("PRIVATE KEY-----");
        return Err(if is_key { UnusableCertificates::PrivateKey } else { UnusableCertificates::None });
    }
    Ok(certificates)
}

/// What is wrong with the system's store is said once, however many clients are made.
static SAID: Once = Once::new();

/// Certificate authorities: the system's (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`), and more.
#[derive(Clone, Debug)]
pub struct Trust(Vec<CertificateDer<'static>>);

impl Trust {
    /// The system's, and these. Reads the system's store.
    pub fn with(more: &[CertificateDer<'static>]) -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut all = found.certs;
        all.extend_from_slice(more);
        if all.is_empty() || !found.errors.is_empty() {
            SAID.call_once(|| {
                for error in &found.errors {
                    tracing::warn!(%error, event = "trust_incomplete", "some trusted certificates cannot be read; \
                        see SSL_CERT_FILE and SSL_CERT_DIR, if they are set");
                }
                if all.is_empty() {
                    tracing::warn!(event = "trust_empty", "no trusted certificates are installed, so every TLS \
                        connection will fail; install them (Debian: ca-certificates), or set server.outbound.tls.ca");
                }
            });
        }
        Self(all)
    }

    /// These alone.
    pub fn only(these: &[CertificateDer<'static>]) -> Self {
        Self(these.to_vec())
    }

    /// For a client that negotiates HTTP versions itself.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // The provider's own versions are always among those that it supports.
        #[allow(clippy::expect_used, reason = "no input reaches this")]
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs supports TLS 1.2 and 1.3");
        builder.with_root_certificates(roots).with_no_client_auth()
    }

    /// The same, offering HTTP/2 and HTTP/1.1.
    pub(crate) fn client_config_for_http(&self) -> ClientConfig {
        let mut config = self.client_config();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    /// As PEM, for a library that wants it so.
    pub(crate) fn to_pem(&self) -> Vec<u8> {
        let mut pem = String::new();
        // The system's store may hold what cannot be read, and the reader of this takes all or nothing.
        let readable = |it: &&CertificateDer<'static>| RootCertStore::empty().add((*it).clone()).is_ok();
        for certificate in self.0.iter().filter(readable) {
            push_pem(&mut pem, "CERTIFICATE", certificate);
        }
        pem.into_bytes()
    }
}

/// RFC 7468 §2.
fn push_pem(pem: &mut String, label: &str, der: &[u8]) {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut rest = text.as_str();
    for part in ["-----BEGIN ", label, "-----\n"] {
        pem.push_str(part);
    }
    while let Some((line, more)) = rest.split_at_checked(64) {
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    for part in ["-----END ", label, "-----\n"] {
        pem.push_str(part);
    }
}

/// The certificate by which a client proves who it is in the TLS handshake (RFC 8446 §4.4.2), and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// Why a certificate and a key are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableIdentity {
    /// They have nothing to do with each other.
    #[error("it is not the key of the certificate")]
    AnotherKey,
    /// The key is of a kind that TLS has no use for here.
    #[error("it is of a kind that cannot be used: take RSA, ECDSA (P-256, P-384, P-521) or Ed25519")]
    Unsupported,
}

impl ClientIdentity {
    /// The client's certificate first, then those between it and its authority.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, UnusableIdentity> {
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| UnusableIdentity::Unsupported)?;
        match rustls::sign::CertifiedKey::new(chain.clone(), signing).keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self { chain, key: Arc::new(key) })
            }
            Err(_) => Err(UnusableIdentity::AnotherKey),
        }
    }

    /// The certificates as PEM, for a library that wants them so.
    pub(crate) fn chain_to_pem(&self) -> Vec<u8> {
        let mut pem = String::new();
        for certificate in &self.chain {
            push_pem(&mut pem, "CERTIFICATE", certificate);
        }
        pem.into_bytes()
    }

    /// The key as PEM, likewise.
    pub(crate) fn key_to_pem(&self) -> Zeroizing<Vec<u8>> {
        let label = match &*self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        let mut pem = String::with_capacity(8 * 1024);
        push_pem(&mut pem, label, self.key.secret_der());
        Zeroizing::new(pem.into_bytes())
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is ever verified with it.
    const AUTHORITY: &str = include_str!("../../../tests/docs/authority.pem");

    #[test]
    fn a_bundle_is_read_whole_and_what_is_wrong_with_it_is_named() {
        let twice = format!("a comment\n{AUTHORITY}\n{AUTHORITY}");
        assert_eq!(certificates_from_pem(twice.as_bytes()).unwrap().len(), 2);
        let garbage = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let cut = AUTHORITY.split_at(AUTHORITY.len() / 2).0;
        for (pem, problem) in [
            (String::new(), UnusableCertificates::None),
            ("/etc/ssl/ca.pem".to_owned(), UnusableCertificates::None),
            ("\u{30}\u{82}\u{1}".to_owned(), UnusableCertificates::None),
            (key.to_owned(), UnusableCertificates::PrivateKey),
            (garbage.to_owned(), UnusableCertificates::Malformed(1)),
            (format!("{AUTHORITY}{garbage}"), UnusableCertificates::Malformed(2)),
            (cut.to_owned(), UnusableCertificates::Malformed(1)),
        ] {
            assert_eq!(certificates_from_pem(pem.as_bytes()), Err(problem), "{pem}");
        }
    }

    #[test]
    fn what_is_trusted_survives_being_written_as_pem() {
        let authority = certificates_from_pem(AUTHORITY.as_bytes()).unwrap();
        let trust = Trust([authority.clone(), authority].concat());
        assert_eq!(certificates_from_pem(&trust.to_pem()).unwrap(), trust.0);
    }
}
