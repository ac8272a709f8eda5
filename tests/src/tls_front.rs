//! TLS in front of something that speaks without it, with a certificate of a test's own authority.

use crate::redis::Authority;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// It ends TLS, and passes on what is inside. It stops with the drop.
pub struct TlsFront {
    /// Where it listens, on the loopback interface.
    pub address: SocketAddr,
    refusals: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Starts it on a port of its own.
    pub async fn start(authority: &Authority, name: &str, behind: SocketAddr) -> Self {
        let (certificate, key) = authority.certificate_for(&[name]);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("the key is the certificate's");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let refusals = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&refusals);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
                connections.spawn(async move {
                    let Ok(mut inside) = acceptor.accept(stream).await else {
                        counter.fetch_add(1, Ordering::SeqCst);
                        return;
                    };
                    if let Ok(mut behind) = TcpStream::connect(behind).await {
                        copy_bidirectional(&mut inside, &mut behind).await.ok();
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, refusals, task }
    }

    /// How many clients broke off the handshake: they did not trust the certificate.
    pub fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}
