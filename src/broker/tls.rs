//! TLS to a broker: the server is always verified, against the pool's own CA or the system's.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::Tls;
use crate::model::SampleError;

/// TLS configuration of the client.
///
/// # Errors
/// [`SampleError::TlsCertificate`] if `tls.ca` is not PEM certificates, [`SampleError::TlsIdentity`] if `tls.identity`
/// is not a certificate chain with its key.
pub fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, SampleError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| SampleError::TlsCertificate)?
        .with_root_certificates(roots(tls.ca.as_deref())?);
    let Some((chain, key)) = &tls.identity else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates(chain).ok_or(SampleError::TlsIdentity)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| SampleError::TlsIdentity)?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map(Arc::new).map_err(|_| SampleError::TlsIdentity)
}

/// Authorities to trust: the certificates in `ca`, else the system's.
fn roots(ca: Option<&str>) -> Result<Arc<RootCertStore>, SampleError> {
    let Some(ca) = ca else { return Ok(system_roots()) };
    let mut store = RootCertStore::empty();
    for certificate in certificates(ca).ok_or(SampleError::TlsCertificate)? {
        store.add(certificate).map_err(|_| SampleError::TlsCertificate)?;
    }
    Ok(Arc::new(store))
}

/// Certificates that the system trusts, read once. An image without any trusts none.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// Certificates of a PEM text; `None` if there is none or one is damaged.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.ok().filter(|certificates| !certificates.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Secret;

    const CA: &str = include_str!("testdata/ca.pem");

    fn error(tls: Tls) -> Option<SampleError> {
        client_config(&tls).err()
    }

    #[test]
    fn a_ca_is_one_or_more_certificates() {
        let ca = |text: &str| Tls {
            ca: Some(text.to_owned()),
            ..Tls::default()
        };
        assert_eq!(error(ca(CA)), None);
        assert_eq!(error(ca(&[CA, include_str!("testdata/other-ca.pem")].concat())), None);
        assert_eq!(error(ca("")), Some(SampleError::TlsCertificate));
        assert_eq!(error(ca("not PEM")), Some(SampleError::TlsCertificate));
        assert_eq!(error(ca(&CA.replace('\n', "\n*"))), Some(SampleError::TlsCertificate));
    }

    #[test]
    fn without_a_ca_the_system_is_trusted() {
        assert_eq!(error(Tls::default()), None);
    }

    #[test]
    fn an_identity_is_a_chain_and_its_key() {
        let identity = |chain: &str, key: &str| Tls {
            identity: Some((chain.to_owned(), Secret::new(key))),
            ..Tls::default()
        };
        let (chain, key) = (include_str!("testdata/client.pem"), include_str!("testdata/client.key"));
        assert_eq!(error(identity(chain, key)), None);
        assert_eq!(error(identity(chain, chain)), Some(SampleError::TlsIdentity));
        assert_eq!(error(identity(key, key)), Some(SampleError::TlsIdentity));
        assert_eq!(
            error(identity(chain, include_str!("testdata/server.key"))),
            Some(SampleError::TlsIdentity)
        );
    }
}
