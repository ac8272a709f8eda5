#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| authtool_bff::fuzz::check_request(data));
