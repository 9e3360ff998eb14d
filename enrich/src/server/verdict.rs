//! What a server's error message says about the server rather than about the request.

/// Returns advice if a server's message, whatever the status, says that it will answer no request like this; `None` if
/// the message may be about this request alone.
pub(super) fn advice(status: u16, said: &str, has_wait: bool) -> Option<&'static str> {
    let said = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let about_models = said.contains("model") && has(&["does not exist", "not exist", "not found", "no such"]);
    if has(&HTTPS) {
        return Some("the server wants https; write https:// in its address");
    }
    if status == 429 {
        // Quotas per minute or per day recover by themselves, an empty account does not.
        let is_quota = said.contains("exceeded your current quota")
            && !has_wait
            && !has(&["retrydelay", "retry in", "perminute", "per minute"]);
        return (has(&MONEY) || is_quota).then_some("waiting does not fill the account; see to it and start again");
    }
    match status {
        400..=499 if has(&MONEY) => Some("waiting does not fill the account; see to it and start again"),
        400..=499 if has(&KEY) => Some("check the key and its environment variable"),
        400 | 422 if has(&MODEL) || about_models => Some("check the address and the model's name"),
        400..=599 | 200 if has(&PICTURES) && !has(&["format", "size", "dimension"]) => {
            Some("name a model that takes pictures, or start the server with its vision part")
        }
        200 if has(&MONEY) => Some("waiting does not fill the account; see to it and start again"),
        _ => None,
    }
}

/// Whether a rejection is about the content of the picture or the text.
pub(crate) fn is_about_content(said: &str) -> bool {
    let said = said.to_lowercase();
    CONTENT.iter().any(|words| said.contains(words))
}

/// Returns the wait that some servers put into the body: `"retryDelay": "34s"`.
pub(super) fn wait_in_body(said: &str) -> Option<&str> {
    let value = said.split("\"retryDelay\"").nth(1)?.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split('"').next()?.strip_suffix('s')
}

const HTTPS: [&str; 4] =
    ["sent to https port", "http request to an https server", "requires https", "you're speaking plain http to an ssl"];

const MONEY: [&str; 22] = [
    "insufficient_quota",
    "insufficient quota",
    "insufficient_user_quota",
    "exceeded_current_quota",
    "insufficient balance",
    "insufficient_balance",
    "balance is insufficient",
    "insufficient credit",
    "insufficient fund",
    "credit balance is too low",
    "out of credits",
    "no credits",
    "billing_hard_limit",
    "billing hard limit",
    "billing_not_active",
    "account is not active",
    "payment required",
    "please recharge",
    "arrearage",
    "accountoverdue",
    "余额不足",
    "欠费",
];

const KEY: [&str; 14] = [
    "invalid_api_key",
    "invalid api key",
    "incorrect api key",
    "api key not valid",
    "api_key_invalid",
    "api key expired",
    "api key is invalid",
    "api key is required",
    "missing api key",
    "no api key",
    "invalid x-api-key",
    "invalid authentication",
    "authentication_error",
    "invalid_authentication",
];

const MODEL: [&str; 5] =
    ["model_not_found", "unknown model", "invalid model name", "invalid model id", "not a valid model"];

const PICTURES: [&str; 14] = [
    "not a multimodal model",
    "not support image",
    "n't support image",
    "not support vision",
    "n't support vision",
    "not support multimodal",
    "image input is not supported",
    "image inputs are not supported",
    "images are not supported",
    "image_url is only supported",
    "image_url is not supported",
    "that support image input",
    "unknown variant `image_url`",
    "mmproj",
];

const CONTENT: [&str; 9] = [
    "content_filter",
    "content filter",
    "content_policy",
    "content policy",
    "content management policy",
    "safety system",
    "data_inspection_failed",
    "inappropriate content",
    "moderation",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_will_answer_nobody_are_told_from_others() {
        for (status, said, words) in [
            (429, r#"{"error": {"code": "insufficient_quota"}}"#, "account"),
            (429, "You exceeded your current quota, please check your plan and billing details.", "account"),
            (400, "Your credit balance is too low to access the API.", "account"),
            (403, "Sorry, your account balance is insufficient", "account"),
            (400, "API key not valid. Please pass a valid API key.", "key"),
            (400, "The plain HTTP request was sent to HTTPS port", "https://"),
            (400, "Client sent an HTTP request to an HTTPS server.", "https://"),
            (400, "The model `gpt-9` does not exist", "model"),
            (400, "some/model is not a multimodal model", "pictures"),
            (500, "image input is not supported - hint: you may need to provide the mmproj", "pictures"),
        ] {
            assert!(advice(status, said, false).is_some_and(|found| found.contains(words)), "{said}");
        }
        for (status, said) in [
            (429, "Rate limit reached for requests"),
            (429, "You exceeded your current quota. \"retryDelay\": \"34s\""),
            (400, "Invalid image."),
            (400, "This server does not support image format tiff"),
            (500, "out of memory"),
        ] {
            assert_eq!(advice(status, said, false), None, "{said}");
        }
        assert_eq!(advice(429, "You exceeded your current quota.", true), None, "it said how long to wait");
        assert_eq!(wait_in_body("{\"retryDelay\": \"34.5s\"}"), Some("34.5"));
        assert_eq!(wait_in_body("{\"retryDelay\": 34}"), None);
        assert!(is_about_content("The response was filtered: content_filter") && !is_about_content("Invalid image."));
    }
}
