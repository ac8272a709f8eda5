//! Connections that begin here: whom they trust, and by which way they leave.
//!
//! | connection | trust (`server.outbound.tls`) | egress proxy (`server.outbound.proxy`) |
//! |---|---|---|
//! | the provider's back channel | yes | yes |
//! | traces | yes | yes |
//! | APIs of `server.proxy` | yes | no: they are the operator's own, on this side of the egress |
//! | Redis | yes, unless its own `tls.ca` is set | no: it does not speak HTTP |
//! | the doctor's look at the public URL | yes | no: it looks from here |
//!
//! The environment names trusted certificates, as it does for every program that uses OpenSSL (`SSL_CERT_FILE`,
//! `SSL_CERT_DIR`). It never names a proxy: a variable that some base image sets does not decide where client secrets go
//! (SEC-132).

mod egress;
mod trust;

pub use egress::EgressProxy;
pub(crate) use egress::variables_in;
pub use trust::{ClientIdentity, Trust, UnusableCertificates, UnusableIdentity, certificates_from_pem};

use rustls_pki_types::CertificateDer;

/// What configuration says about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundSettings {
    /// Certificate authorities that are trusted besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The only way out.
    pub proxy: Option<EgressProxy>,
}

impl OutboundSettings {
    /// Whom TLS connections trust. Reads the system's store.
    pub fn trust(&self) -> Trust {
        Trust::with(&self.authorities)
    }
}

/// An HTTP client of ours, asynchronous or not, before what differs: nothing of the environment, no redirects.
macro_rules! client_builder {
    ($client:path, $settings:expr) => {{
        let settings: &$crate::adapters::outbound::OutboundSettings = $settings;
        let builder = <$client>::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(settings.trust().client_config_for_http());
        match settings.proxy.as_ref().map($crate::adapters::outbound::EgressProxy::to_reqwest) {
            Some(proxy) => proxy.map(|proxy| builder.proxy(proxy)),
            None => Ok(builder),
        }
    }};
}
pub(crate) use client_builder;
