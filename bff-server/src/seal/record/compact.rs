//! What the parts of a record hold, since format 2: as few bytes as may be, and the live part still cheap to read.
//!
//! - Tokens are [packed](super::packed): a quarter of a JWT is base64url.
//! - Times are told from one another, in as many bytes as that takes.
//! - The kept part is compressed (LZ4), with what is usually in tokens and the live part itself before it: issuer, subject,
//!   nonce and the selected claims are in the ID token too, and take three bytes each.
//!
//! How long a compressed text is says something of what is in it (CRIME). To learn a secret that way one must try many texts
//! beside the same secret; each record has new tokens, and what is not random in it is the provider's to choose.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    UnreadableRecord,
    packed::{pack, unpack},
    varint,
};
use crate::domain::{
    credential::{AccessToken, IdToken, RefreshToken},
    dpop::ProofKey,
    session::{Kept, Live},
    time::UnixSeconds,
    token_refusal::Doubts,
};

/// What is usually in tokens and in scopes, as providers write it. It belongs to format 2: beside another text, its
/// records cannot be read.
const USUAL: &str = concat!(
    r#"{"typ" : "JWT","kid" : "{"typ":"JWT","alg":"RS256","kid":"{"alg":"ES256","kid":"{"alg":"RS256","typ":"JWT","kid":""#,
    r#"","exp":17,"nbf":17,"iat":17,"auth_time":17,"updated_at":"#,
    r#","jti":"","iss":"https://","sub":"","aud":"","azp":"","client_id":"","nonce":"","sid":"","session_state":"","at_hash":"","#,
    r#""typ":"Bearer","typ":"Refresh","typ":"ID","acr":"1","amr":["pwd","mfa"],"ver":"2.0","tid":"","oid":"","idp":"","#,
    r#""email_verified":true,"name":"","preferred_username":"","given_name":"","family_name":"","picture":"https://","locale":"en","#,
    r#""email":"","groups":["","allowed-origins":["https://"],"realm_access":{"roles":["offline_access","uma_authorization","#,
    r#""default-roles-"]},"resource_access":{"account":{"roles":["manage-account","manage-account-links","view-profile"]}},"#,
    r#""scope":"openid profile email offline_access","permissions":[""#,
);

/// No part of a record is longer: three tokens, and what is said of a user.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// Options that an older server did not append are `None`; what a newer one appended is not read.
pub(super) const NONE: [u8; 4] = [0; 4];

/// The fields are borrowed from what is read, and from what is written.
#[derive(Serialize, Deserialize)]
struct LivePart<'a> {
    #[serde(borrow)]
    access_token: &'a [u8],
    refreshed_at: u64,
    access_expires: i64,
    ends: i64,
    used: i64,
    can_refresh: bool,
    claims_json: &'a str,
    proof_key: Option<ProofKey>,
}

#[derive(Serialize, Deserialize)]
struct KeptPart<'a> {
    #[serde(borrow)]
    id_token: Option<&'a [u8]>,
    refresh_token: Option<&'a [u8]>,
    issuer: &'a str,
    subject: Option<&'a str>,
    provider_session: Option<&'a str>,
    nonce: &'a str,
    client: &'a str,
    scope: Option<&'a str>,
    auth_time: Option<i64>,
    created: i64,
    /// How many, and since when.
    doubts: Option<(u32, i64)>,
}

/// The live part, before it is sealed.
pub(super) fn write_live(live: &Live) -> Result<Zeroizing<Vec<u8>>, postcard::Error> {
    let since = |time| after(live.refreshed_at, time);
    let access_token = pack(live.access_token.expose());
    let part = LivePart {
        access_token: &access_token,
        refreshed_at: live.refreshed_at.get(),
        access_expires: since(live.access_expires_at),
        ends: since(live.ends_at),
        used: since(live.used_at),
        can_refresh: live.can_refresh,
        claims_json: &live.claims_json,
        proof_key: live.proof_key.clone(),
    };
    postcard::to_stdvec(&part).map(Zeroizing::new)
}

/// The live part, out of its seal.
pub(super) fn read_live(opened: &mut Zeroizing<Vec<u8>>) -> Result<Live, UnreadableRecord> {
    opened.extend_from_slice(&NONE);
    let part: LivePart<'_> = postcard::from_bytes(opened).map_err(|_| UnreadableRecord::Content)?;
    let at = |seconds| at(UnixSeconds::new(part.refreshed_at), seconds);
    Ok(Live {
        access_token: AccessToken::unsealed(unpacked(part.access_token)?),
        access_expires_at: at(part.access_expires),
        refreshed_at: at(0),
        ends_at: at(part.ends),
        used_at: at(part.used),
        can_refresh: part.can_refresh,
        claims_json: part.claims_json.to_owned(),
        proof_key: part.proof_key,
    })
}

/// The kept part, before it is sealed, beside what [`write_live`] made.
pub(super) fn write_kept(kept: &Kept, live: &[u8]) -> Result<Vec<u8>, postcard::Error> {
    let id_token = kept.id_token.as_ref().map(|token| pack(token.expose()));
    let refresh_token = kept.refresh_token.as_ref().map(|token| pack(token.expose()));
    let part = KeptPart {
        id_token: id_token.as_ref().map(|it| it.as_slice()),
        refresh_token: refresh_token.as_ref().map(|it| it.as_slice()),
        issuer: &kept.issuer,
        subject: kept.subject.as_deref(),
        provider_session: kept.provider_session.as_deref(),
        nonce: &kept.nonce,
        client: &kept.client,
        scope: kept.scope.as_deref(),
        auth_time: kept.auth_time.map(|time| after(kept.created_at, time)),
        created: after(UnixSeconds::new(0), kept.created_at),
        doubts: kept.doubts.map(|it| (it.refusals, after(kept.created_at, it.since))),
    };
    let part = Zeroizing::new(postcard::to_stdvec(&part)?);
    let mut compressed = Vec::new();
    varint::write(u64::try_from(part.len()).unwrap_or(u64::MAX), &mut compressed);
    compressed.extend(lz4_flex::block::compress_with_dict(&part, &beside(live)));
    Ok(compressed)
}

/// The kept part, out of its seal, beside the opened live part.
pub(super) fn read_kept(mut opened: &[u8], live: &[u8]) -> Result<Kept, UnreadableRecord> {
    let length = varint::read(&mut opened)
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length <= MAX_KEPT_BYTES)
        .ok_or(UnreadableRecord::Content)?;
    let mut part = lz4_flex::block::decompress_with_dict(opened, length, &beside(live))
        .map(Zeroizing::new)
        .map_err(|_| UnreadableRecord::Content)?;
    part.extend_from_slice(&NONE);
    let part: KeptPart<'_> = postcard::from_bytes(&part).map_err(|_| UnreadableRecord::Content)?;
    let created_at = at(UnixSeconds::new(0), part.created);
    Ok(Kept {
        issuer: part.issuer.to_owned(),
        subject: part.subject.map(str::to_owned),
        provider_session: part.provider_session.map(str::to_owned),
        auth_time: part.auth_time.map(|seconds| at(created_at, seconds)),
        nonce: part.nonce.to_owned(),
        client: part.client.to_owned(),
        refresh_token: part.refresh_token.map(unpacked).transpose()?.map(RefreshToken::unsealed),
        id_token: part.id_token.map(unpacked).transpose()?.map(IdToken::unsealed),
        scope: part.scope.map(str::to_owned),
        created_at,
        doubts: part.doubts.map(|(refusals, since)| Doubts { refusals, since: at(created_at, since) }),
    })
}

/// What the kept part is compressed against.
fn beside(live: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([USUAL.as_bytes(), live].concat())
}

fn unpacked(token: &[u8]) -> Result<Zeroizing<String>, UnreadableRecord> {
    unpack(token).ok_or(UnreadableRecord::Content)
}

/// How far `time` is from `base`. Together with [`at`] it wraps around, so that any two times are told apart.
fn after(base: UnixSeconds, time: UnixSeconds) -> i64 {
    time.get().wrapping_sub(base.get()).cast_signed()
}

fn at(base: UnixSeconds, seconds: i64) -> UnixSeconds {
    UnixSeconds::new(base.get().wrapping_add(seconds.cast_unsigned()))
}
