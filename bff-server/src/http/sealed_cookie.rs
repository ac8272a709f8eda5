//! Flows that travel in cookies: sealed for one cookie's name, so that none can be moved to another.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ports::{Entropy, EntropyFailure},
    seal::{Purpose, Sealer},
};

/// No cookie value of ours is longer; longer ones are not even decoded.
const MAX_BYTES: usize = 4096;

/// Members that an older server did not write are read as zeros, up to this many bytes; what a newer one appended is
/// not read.
const MAX_ADDED: usize = 32;

/// The cookie's value.
pub(crate) fn seal<T: Serialize>(
    sealer: &Sealer,
    purpose: Purpose,
    cookie_name: &str,
    flow: &T,
    entropy: &dyn Entropy,
) -> Result<String, EntropyFailure> {
    let plain = zeroize::Zeroizing::new(postcard::to_stdvec(flow).map_err(|_| EntropyFailure)?);
    Ok(URL_SAFE_NO_PAD.encode(sealer.seal(purpose, cookie_name, &plain, entropy)?))
}

/// What [`seal`] put in; `None` for anything else.
pub(crate) fn open<T: DeserializeOwned>(
    sealer: &Sealer,
    purpose: Purpose,
    cookie_name: &str,
    value: &[u8],
) -> Option<T> {
    if value.len() > MAX_BYTES {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let mut plain = zeroize::Zeroizing::new(sealer.open(purpose, cookie_name, &sealed).ok()?);
    plain.extend_from_slice(&[0; MAX_ADDED]);
    postcard::from_bytes(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::SystemEntropy,
        domain::{
            login_flow::{FlowPurpose, FlowSecrets, LoginFlow},
            login_options::Demands,
            time::UnixSeconds,
        },
        seal::{KeyList, KeyMaterial},
    };

    #[test]
    fn a_login_that_began_at_another_version_goes_on() {
        let key = KeyMaterial::new((0..32).collect()).unwrap();
        let sealer = Sealer::new(&KeyList::new([key]).unwrap());
        let flow = LoginFlow::begin(
            FlowSecrets { state: [1; 32], nonce: [2; 32], verifier: [3; 32] },
            FlowPurpose {
                issuer: "https://op.example".into(),
                client_id: "app".into(),
                redirect_uri: "https://app.example/bff/oauth/callback".into(),
                return_to: "https://app.example/".parse().unwrap(),
                previous_session: None,
                demands: Demands::default(),
                proof_key: None,
            },
            UnixSeconds::new(1_800_000_000),
        );
        let now = postcard::to_stdvec(&flow).unwrap();
        // Without `proof_key`, `demands` and what follows them; and with what nobody knows yet.
        let older = now.strip_suffix(&[0; 24]).unwrap();
        let newer = [now.as_slice(), &[1, 2, 3]].concat();
        for plain in [older, &now, &newer] {
            let sealed = sealer.seal(Purpose::LoginFlow, "flow", plain, &SystemEntropy).unwrap();
            let value = URL_SAFE_NO_PAD.encode(sealed);
            let read: LoginFlow = open(&sealer, Purpose::LoginFlow, "flow", value.as_bytes()).unwrap();
            assert_eq!((read.state(), read.created_at), (flow.state(), flow.created_at));
            assert!(read.proof_key.is_none() && read.demands == Demands::default());
        }
    }
}
