//! HTTP client: sends one request to one server. It connects to the given address only: no redirect is followed, and no
//! proxy is taken from the environment.

use super::key::{ApiKey, redacted};
use super::reply::{Head, Reply};
use super::retry::retry_after;
use super::trust;
use crate::{Error, Result};
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::tls::TlsConfig;

/// Paths of the API.
pub(crate) const CHAT: &str = "/chat/completions";
pub(crate) const EMBEDDINGS: &str = "/embeddings";

/// The query that marks an Azure address, and the only one allowed.
const AZURE: &str = "?api-version=";

const NO_TLS: &str =
    "the server does not speak TLS, or not with us; if it wants plain http, write http:// in its address";

pub(crate) struct Client {
    agent: Agent,
    key: Option<ApiKey>,
}

impl Client {
    /// Creates a client for some addresses.
    ///
    /// # Errors
    /// If the certificates named in the environment cannot be read.
    pub(crate) fn new(
        key: Option<ApiKey>,
        timeout: Duration,
        n_connections: usize,
        endpoints: &[String],
    ) -> Result<Self> {
        let is_tls = endpoints.iter().any(|endpoint| endpoint.starts_with("https:"));
        let roots = if is_tls { trust::roots()? } else { ureq::tls::RootCerts::WebPki };
        let config = Agent::config_builder()
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(Duration::from_secs(20))))
            .max_idle_connections(n_connections.saturating_mul(4))
            .max_idle_connections_per_host(n_connections)
            .user_agent(concat!("viral/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), key })
    }

    /// Sends a request to a URL made by [`endpoint`]; `parse` gets the body of a good response, of at most `max_answer`
    /// bytes.
    pub(crate) fn post<T>(
        &self,
        endpoint: &str,
        body: &[u8],
        max_answer: u64,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Reply<T> {
        let mut request = self.agent.post(endpoint).header("content-type", "application/json");
        request = request.header("accept-encoding", "identity");
        if let Some(key) = &self.key {
            let (name, value) = authorization(endpoint, key.secret());
            request = request.header(name, value);
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return self.without_response(endpoint, &error),
        };
        let encoding = response.headers().get_all("content-encoding").iter().filter_map(|value| value.to_str().ok());
        let head = Head {
            status: response.status().as_u16(),
            encoding: encoding.collect::<Vec<_>>().join(","),
            content_type: header(&response, "content-type").unwrap_or_default().to_string(),
            location: header(&response, "location").unwrap_or_default().to_string(),
            wait: header(&response, "retry-after").and_then(|value| retry_after(value, SystemTime::now())),
        };
        let raw = response.body_mut().with_config().limit(max_answer).read_to_vec();
        let raw = raw.as_deref().map_err(|error| error.to_string());
        head.reply(raw, max_answer, self.key.as_ref(), parse)
    }

    /// Classifies an error that left no response.
    fn without_response<T>(&self, endpoint: &str, error: &ureq::Error) -> Reply<T> {
        let said = redacted(self.key.as_ref(), error.to_string());
        let is_tls = endpoint.starts_with("https:");
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Tls(_) => Reply::Unusable(said),
            // Errors that waiting does not fix: certificates, and servers without TLS.
            _ if is_tls && said.contains("certificate") => Reply::Unusable(format!("{said}; {}", trust::ADVICE)),
            ureq::Error::Rustls(_) => Reply::Unusable(format!("{said}; {NO_TLS}")),
            ureq::Error::Io(error) if is_tls && error.kind() == std::io::ErrorKind::InvalidData => {
                Reply::Unusable(format!("{said}; {NO_TLS}"))
            }
            ureq::Error::Protocol(_) => {
                Reply::Unusable(format!("no answer in HTTP ({said}); if the server wants https, write https://"))
            }
            error if is_unreachable(error) => Reply::Unreachable(said),
            _ => Reply::Failed { reason: said, wait: None },
        }
    }
}

/// Returns the header that carries the key. Azure has a header of its own for keys; its bearer tokens are signed.
fn authorization(endpoint: &str, key: &str) -> (&'static str, String) {
    match endpoint.contains(AZURE) && !key.starts_with("eyJ") {
        true => ("api-key", key.to_string()),
        false => ("authorization", format!("Bearer {key}")),
    }
}

/// Whether the request cannot have reached a server.
fn is_unreachable(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match error {
        ureq::Error::Io(error) => matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable),
        ureq::Error::Timeout(phase) => matches!(phase, ureq::Timeout::Connect | ureq::Timeout::Resolve),
        error => matches!(error, ureq::Error::HostNotFound | ureq::Error::ConnectionFailed),
    }
}

fn header<'a, T>(response: &'a Response<T>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Returns the request URLs of servers, each one once.
///
/// # Errors
/// If there is no server, one is named twice or cannot be used, or the model has no name.
pub(crate) fn endpoints(servers: &[String], model: &str, path: &str) -> Result<Vec<String>> {
    if model.trim().is_empty() {
        return Err(Error::Config("no model; write the name that the server knows it by".to_string()));
    }
    let mut endpoints: Vec<String> = Vec::new();
    for server in servers {
        let endpoint = endpoint(server, path)?;
        if endpoints.contains(&endpoint) {
            return Err(Error::Config(format!("server '{server}' is named twice; name each one once")));
        }
        endpoints.push(endpoint);
    }
    if endpoints.is_empty() {
        return Err(Error::Config("no server; write one such as http://127.0.0.1:8000/v1".to_string()));
    }
    Ok(endpoints)
}

/// Returns the request URL of a server such as `http://127.0.0.1:8000/v1`.
///
/// # Errors
/// If it is not a valid address, or has a password or a query, which might end up in messages.
fn endpoint(server: &str, path: &str) -> Result<String> {
    let bad = |what: &str| Error::Config(format!("server '{server}': {what}; write http://127.0.0.1:8000/v1"));
    let uri: Uri = server.trim().parse().map_err(|_| bad("not an address"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(bad("not an address that begins with http:// or https://"));
    }
    let port = uri.authority().zip(uri.host()).and_then(|(whole, host)| whole.as_str().split(host).last());
    if port
        .is_some_and(|port| !port.is_empty() && port.strip_prefix(':').is_none_or(|n| !matches!(n.parse(), Ok(1u16..))))
    {
        return Err(bad("no such port: they are numbered from 1 to 65535"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Error::Config("a server's address holds a password; put the key into VIRAL_API_KEY".to_string()));
    }
    let bare = server.trim().split(['#', '?']).next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let is_version = query.strip_prefix(AZURE).is_some_and(|version| !version.is_empty() && !version.contains('&'));
    if !query.is_empty() && !is_version {
        // The query may be a key, so it is not repeated.
        let message = "an address with a question mark; only ?api-version=… may stand there, and a key belongs into \
                       VIRAL_API_KEY";
        return Err(Error::Config(format!("server '{bare}': {message}")));
    }
    let base = bare.trim_end_matches('/');
    let base = [CHAT, EMBEDDINGS].iter().find_map(|known| base.strip_suffix(known)).unwrap_or(base);
    let version = if uri.path().trim_matches('/').is_empty() { "/v1" } else { "" };
    Ok(format!("{base}{version}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_and_checked() -> Result<()> {
        let expected = "http://127.0.0.1:8000/v1/chat/completions";
        for server in ["http://127.0.0.1:8000/v1", "http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/", expected] {
            assert_eq!(endpoint(server, CHAT)?, expected);
        }
        assert_eq!(endpoint("https://api.example/openai/v1", EMBEDDINGS)?, "https://api.example/openai/v1/embeddings");
        for server in ["", "127.0.0.1:8000", "ftp://x/v1", "http://", "http://a b", "file:///etc"] {
            assert!(
                endpoint(server, CHAT).unwrap_err().to_string().starts_with(&format!("server '{server}'")),
                "{server}"
            );
        }
        let azure = "https://x.openai.azure.com/openai/deployments/gpt";
        for server in
            [format!("{azure}?api-version=2024-10-21"), format!("{azure}/chat/completions?api-version=2024-10-21")]
        {
            assert_eq!(endpoint(&server, CHAT)?, format!("{azure}/chat/completions?api-version=2024-10-21"));
        }
        for query in ["?key=hunter2", "?api-version=1&key=hunter2", "?api-version="] {
            let message = endpoint(&format!("http://x/v1{query}"), CHAT).unwrap_err().to_string();
            assert!(message.starts_with("server 'http://x/v1'") && !message.contains("hunter2"), "{message}");
        }
        let message = endpoint("http://me:hunter2@x/v1", CHAT).unwrap_err().to_string();
        assert!(!message.contains("hunter2") && message.contains("VIRAL_API_KEY"));
        Ok(())
    }

    #[test]
    fn keys_go_where_the_server_looks_for_them() {
        let azure = "https://x/openai/deployments/gpt/chat/completions?api-version=1";
        assert_eq!(authorization(azure, "k"), ("api-key", "k".to_string()));
        assert_eq!(authorization(azure, "eyJ0"), ("authorization", "Bearer eyJ0".to_string()));
        assert_eq!(authorization("https://x/v1/embeddings", "k"), ("authorization", "Bearer k".to_string()));
    }
}
