//! Root certificates for TLS: those that the system trusts.

use crate::{Error, Result};
use std::path::Path;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};
use viral::data::read_file;

/// Environment variable that names another file of certificates, as for most programs.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Where systems keep their trusted certificates.
const FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What to do about an untrusted certificate.
pub(super) const ADVICE: &str = "the server's certificate is not trusted; put it, or the one that signed it, into the system's \
                                 store or into a file that SSL_CERT_FILE names, or use http:// within your own network";

/// Returns the certificates of the file that `SSL_CERT_FILE` names; else the system's; else those that browsers trust.
///
/// # Errors
/// If the file named by the variable cannot be read or has no certificate.
pub(super) fn roots() -> Result<RootCerts> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = Path::new(&path);
        let found = certificates(&read_file(path)?);
        if found.is_empty() {
            let message = format!("no certificate in it, but {VARIABLE} names it; write certificates in PEM form");
            return Err(Error::file(path, message));
        }
        return Ok(found.into());
    }
    let system = FILES.iter().filter_map(|path| read_file(path).ok()).map(|pem| certificates(&pem));
    Ok(system.into_iter().find(|found| !found.is_empty()).map_or(RootCerts::WebPki, RootCerts::from))
}

/// Parses the certificates in a PEM file; anything else in it is ignored.
fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    items.collect()
}
