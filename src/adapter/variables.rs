//! Variables of the environment in configuration texts.

/// The text with every `${NAME}` replaced by that variable's value, or what is wrong with it.
pub(super) fn expanded(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("`${` without `}`; write ${NAME}".into());
        };
        let Some(value) = env(name).filter(|value| !value.is_empty()) else {
            return Err(format!(
                "the environment variable {name} is not set; set it"
            ));
        };
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}
