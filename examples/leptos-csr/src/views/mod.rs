//! What is shown.

mod api_panel;
mod claims;
mod home;
mod user;
mod waiting;

pub(crate) use api_panel::ApiPanel;
pub(crate) use claims::{Claims, ClaimsTable};
pub(crate) use home::Home;
pub(crate) use user::use_name;
pub(crate) use waiting::Waiting;
