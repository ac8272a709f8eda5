//! Flows that travel in cookies: sealed for one cookie's name, so that none can be moved to another.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ports::{Entropy, EntropyFailure},
    seal::{Purpose, Sealer},
};

/// No cookie value of ours is longer; longer ones are not even decoded.
const MAX_BYTES: usize = 4096;

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
    let plain = zeroize::Zeroizing::new(sealer.open(purpose, cookie_name, &sealed).ok()?);
    postcard::from_bytes(&plain).ok()
}
