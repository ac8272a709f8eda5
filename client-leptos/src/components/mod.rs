//! Components, one a file.

mod authenticated;
mod login_link;
mod logout_form;
mod require_auth;
mod unauthenticated;

pub use authenticated::*;
pub use login_link::*;
pub use logout_form::*;
pub use require_auth::*;
pub use unauthenticated::*;
