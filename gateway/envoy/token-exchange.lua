-- Exchanges the session cookie of a request for the session's access token, before the request reaches an API.
--
--   local token_exchange = require("token-exchange")
--   local config = {
--     token_service_cluster = "authtool_bff",           -- the cluster of authtool-bff; best its internal listener
--     token_service_endpoint = "/bff/token",
--     session_cookie_name = "__Host-session_id",
--   }
--   function envoy_on_request(handle) token_exchange.on_request(handle, config) end
--   function envoy_on_response(handle) token_exchange.on_response(handle, config) end
--
-- Optional settings:
--
--   require_session     true: a request without a session is answered 401 here. Default: it goes on without any
--                       credential, for jwt_authn behind this filter to decide. A route can say otherwise by its
--                       metadata: filter_metadata: { envoy.filters.http.lua: { anonymous: true } }
--   protected_prefixes  list of path prefixes, such as { "/api" }: only there the cookie is exchanged. Default: everywhere
--   machine_prefixes    list of path prefixes at which clients without a session may use a token of their own
--                       (Authorization: Bearer, a JWT). It goes on as it came: ONLY WHERE jwt_authn BEHIND THIS FILTER
--                       DEMANDS A TOKEN. Default: nowhere
--   allowed_origins     list of origins whose pages may call the APIs. Default: the origin that the request is for
--   strip_headers       list of further headers that a client may not send, such as { "x-jwt-payload", "x-user" }
--   trusted_proxy_headers
--                       list of headers that APIs get as they came, because a proxy in front of this Envoy sets or removes
--                       them on every request: x-forwarded-host, x-forwarded-port, x-forwarded-prefix, x-forwarded-server.
--                       Only where clients cannot reach this Envoy past that proxy. Default: none
--   forward_trace       true: traceparent and tracestate go along to authtool-bff. Only where this Envoy begins traces
--                       itself, or trusts whoever sends to it: they are the client's otherwise
--   exchanged_elsewhere true: another filter (ext_authz) makes the exchange at the protected prefixes; their requests are
--                       left alone here
--   gateway_credential  what authtool-bff asks for as server.gatewayCredential
--   timeout_ms          how long the exchange may take. Default: 20000, longer than a refresh may take
--
-- While authtool-bff cannot be reached, a request with a session cookie is answered 503. It goes on without any credential,
-- like one without a session, where nothing here demands one: with neither require_session nor protected_prefixes, and
-- on routes that are anonymous. So the app's pages stay available, and what needs a token is jwt_authn's to refuse.
--
-- No data of a request is kept: Envoy shares one Lua state among all requests of a worker thread.

local token_exchange = {}

local DEFAULT_TIMEOUT_MS = 20000
local MAX_TOKEN_BYTES = 16384
local CSRF_HEADER = "x-authtool-csrf"
local CREDENTIAL_HEADER = "x-authtool-gateway"
local SESSION_ENDS_IN_HEADER = "x-authtool-session-ends-in"
-- What other filters and the access log may know of a request: authtool.bearer is true for a client's own token.
local METADATA = "authtool"

local function set_of(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

-- What no client may send: identities and credentials are ours to add.
local NEVER_FROM_CLIENTS = set_of {
  "authorization", "proxy-authorization", "dpop", "remote-user", "x-remote-user", "x-jwt-payload",
  -- Some servers answer what these say instead of what was asked for, behind the back of every check on the way.
  "forwarded", "x-original-uri", "x-original-url", "x-rewrite-url",
  "x-http-method", "x-http-method-override", "x-method-override",
  "x-real-ip", "x-client-ip", "true-client-ip",
}
local NEVER_FROM_CLIENTS_WITH_PREFIX = { "x-auth-request-", "x-authtool-", "x-forwarded-" }
-- The first is our client's proof that it is the app; the others Envoy has set itself.
local EXCEPT = set_of { CSRF_HEADER, "x-forwarded-for", "x-forwarded-proto" }
-- What a proxy in front may say about the way to the app, if it is trusted. Never who somebody is.
local FROM_TRUSTED_PROXIES = set_of { "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server" }

-- The cookies of logins and logouts under way, besides the session's; see bff-server/src/http/cookies.rs.
local OWN_COOKIES = { "authtool_login_", "authtool_logout", "authtool_return" }

local SAFE_METHODS = set_of { "GET", "HEAD", "OPTIONS" }

-- Nothing is cut out of the text for this: LuaJIT keeps one copy of every string, which it has to look for first.
local function starts_with(text, prefix)
  return text:find(prefix, 1, true) == 1
end

-- Where a part of a text begins and ends without the blanks around it. Blank in cookies is a space or a tab and nothing
-- else (RFC 6265 §5.2). No patterns: cookies are the client's.
local function trimmed(text, first, last)
  local byte = text:byte(first)
  while first <= last and (byte == 32 or byte == 9) do
    first = first + 1
    byte = text:byte(first)
  end
  byte = text:byte(last)
  while last >= first and (byte == 32 or byte == 9) do
    last = last - 1
    byte = text:byte(last)
  end
  return first, last
end

local function trim(text)
  return text:sub(trimmed(text, 1, #text))
end

local function is_own_cookie(name, config)
  if name == config.session_cookie_name then return true end
  local bare = name
  if starts_with(bare, "__Host-") then bare = bare:sub(8) end
  for _, own in ipairs(OWN_COOKIES) do
    if starts_with(bare, own) then return true end
  end
  return false
end

-- The name in a pair; what has no equals sign is all name.
local function name_of(pair)
  return trim(pair:sub(1, (pair:find("=", 1, true) or #pair + 1) - 1))
end

-- Whether one of ours is in it. Several Cookie headers may have been joined with a comma on their way here.
local function holds_own_cookie(pair, config)
  local from = 1
  while from <= #pair do
    local stop = pair:find(",", from, true) or #pair + 1
    if is_own_cookie(name_of(pair:sub(from, stop - 1)), config) then return true end
    from = stop + 1
  end
  return false
end

-- Whether a proxy in front is trusted with a header of this name.
local function is_from_a_proxy(name, config)
  if not (config.trusted_proxy_headers and FROM_TRUSTED_PROXIES[name]) then return false end
  for _, listed in ipairs(config.trusted_proxy_headers) do
    if listed:lower() == name then return true end
  end
  return false
end

-- Whether a client may not send a header of this name.
local function is_refused(name)
  if NEVER_FROM_CLIENTS[name] then return true end
  -- Many servers take an underscore for a dash.
  if name:find("_", 1, true) then return true end
  if EXCEPT[name] then return false end
  for _, prefix in ipairs(NEVER_FROM_CLIENTS_WITH_PREFIX) do
    if starts_with(name, prefix) then return true end
  end
  return false
end

-- What a request says: the value of each header that matters here, false where there is none, and "" where there are
-- several, which matches nothing; the Cookie headers; and the names of what its client may not send. In one pass, because
-- every call into Envoy costs more than what is done with its answer.
local function read(headers, config)
  local said = {
    [":method"] = false, [":path"] = false, [":authority"] = false, ["origin"] = false, ["sec-fetch-site"] = false,
    ["sec-fetch-mode"] = false, ["sec-fetch-dest"] = false, ["upgrade"] = false, ["x-request-id"] = false,
    ["traceparent"] = false, ["tracestate"] = false, ["grpc-timeout"] = false, [CSRF_HEADER] = false,
    ["authorization"] = false,
  }
  local cookies, refused = {}, {}
  for name, value in pairs(headers) do
    local before = said[name]
    if before ~= nil then
      said[name] = before and "" or value
      if name == "authorization" then refused[#refused + 1] = name end
    elseif name == "cookie" then
      cookies[#cookies + 1] = value
    elseif is_refused(name) and not is_from_a_proxy(name, config) then
      refused[#refused + 1] = name
    end
  end
  for _, listed in ipairs(config.strip_headers or {}) do
    local name = listed:lower()
    refused[#refused + 1] = name
    if said[name] then said[name] = false end
    if name == "cookie" then cookies = {} end
  end
  return said, cookies, refused
end

-- The session cookie's value, and how many there are; the cookies that are not ours, if any are: ours are nobody else's
-- business. HTTP/2 may split Cookie headers (RFC 9113 §8.2.3).
local function sort_cookies(cookies, config)
  local session, count, others, is_changed = nil, 0, {}, false
  for _, line in ipairs(cookies) do
    -- The next ones of the whole line, so that it is searched once, however many pairs lack them.
    local from, equals, comma = 1, 0, 0
    while from <= #line do
      local stop = line:find(";", from, true) or #line + 1
      local first, last = trimmed(line, from, stop - 1)
      from = stop + 1
      if first <= last then
        if equals and equals < first then equals = line:find("=", first, true) end
        if comma and comma < first then comma = line:find(",", first, true) end
        local has_value = equals and equals <= last
        local name = line:sub(trimmed(line, first, has_value and equals - 1 or last))
        if has_value and name == config.session_cookie_name then
          session, count = line:sub(trimmed(line, equals + 1, last)), count + 1
          is_changed = true
        elseif is_own_cookie(name, config) then
          is_changed = true
        elseif comma and comma <= last and holds_own_cookie(line:sub(first, last), config) then
          is_changed = true
        else
          others[#others + 1] = line:sub(first, last)
        end
      end
    end
  end
  return session, count, others, is_changed
end

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

-- "app", "foreign", or nil where no Origin is sent.
local function origin_of(said, config)
  local origin = said["origin"]
  if not origin then return nil end
  if config.allowed_origins then
    return contains(config.allowed_origins, origin) and "app" or "foreign"
  end
  local authority = said[":authority"] or ""
  if origin == "https://" .. authority or origin == "http://" .. authority then return "app" end
  return "foreign"
end

-- Whether a request with the session cookie comes from the app itself. SameSite does not tell sibling domains apart.
local function is_from_the_app(said, config)
  local origin, site = origin_of(said, config), said["sec-fetch-site"]
  local safe = SAFE_METHODS[said[":method"]] and not said["upgrade"]
  if not safe then
    if origin == "foreign" then return false end
    if config.allowed_origins and origin == "app" then return true end
    if site then return site == "same-origin" end
    if origin == "app" then return true end
    return said[CSRF_HEADER] == "1"
  end
  if config.allowed_origins and origin == "app" then return true end
  if not site then return origin ~= "foreign" end
  if site == "same-origin" or site == "none" then return true end
  -- A link of another site may lead here, as to any page.
  return said["sec-fetch-mode"] == "navigate" and said["sec-fetch-dest"] == "document"
end

local function answer(handle, status, code, title, retry_after)
  local headers = {
    [":status"] = status,
    ["content-type"] = "application/problem+json",
    ["cache-control"] = "no-store",
    ["x-content-type-options"] = "nosniff",
  }
  if retry_after then headers["retry-after"] = retry_after end
  handle:respond(headers, string.format(
    '{"type":"urn:authtool:problem:%s","title":"%s","status":%s,"code":"%s"}', code, title, status, code))
end

local function unavailable(handle, reason, retry_after)
  handle:logErr("token-exchange: " .. reason)
  answer(handle, "503", "gateway_unavailable", "Sessions cannot be checked right now", retry_after or "1")
end

-- Asks authtool-bff. Of the client's headers only the one cookie and the trace go along: whatever shows a browser
-- would be refused there.
local function ask(handle, config, session, said)
  local request = {
    [":method"] = "GET",
    [":path"] = config.token_service_endpoint,
    [":authority"] = config.token_service_cluster,
    ["cookie"] = config.session_cookie_name .. "=" .. session,
    -- Asking again is safe: sessions are refreshed once, however many ask.
    ["x-envoy-retry-on"] = "connect-failure,refused-stream,reset",
    ["x-envoy-max-retries"] = "3",
    ["x-request-id"] = said["x-request-id"] or nil,
    ["traceparent"] = config.forward_trace and said["traceparent"] or nil,
    ["tracestate"] = config.forward_trace and said["tracestate"] or nil,
    [CREDENTIAL_HEADER] = config.gateway_credential,
  }
  return handle:httpCall(config.token_service_cluster, request, nil, config.timeout_ms or DEFAULT_TIMEOUT_MS)
end

-- The token of an answer, if it is one of authtool-bff's and fit for a header: visible ASCII without `"`, `\` and `,`.
local function token_of(response_headers, body)
  if not body or #body > MAX_TOKEN_BYTES + 1024 then return nil end
  local media_type = response_headers["content-type"] or ""
  if not starts_with(media_type, "application/json") then return nil end
  if not (body:find('"token_type":"Bearer"', 1, true) or body:find('"token_type"%s*:%s*"Bearer"')) then return nil end
  local _, before = body:find('"access_token"%s*:%s*"')
  if not before then return nil end
  -- Where it ends, and whether the string does there.
  local after = body:match('^[^%c%s"\\,\128-\255]+()"', before + 1)
  if after and after - before - 1 <= MAX_TOKEN_BYTES then return body:sub(before + 1, after - 1) end
  return nil
end

local SECONDS_OF = { H = 3600, M = 60, S = 1, m = 1e-3, u = 1e-6, n = 1e-9 }

-- In seconds (gRPC's TimeoutValue and TimeoutUnit); nil for what is none.
local function deadline(text)
  local unit, number = SECONDS_OF[text:sub(-1)], text:sub(1, -2)
  if not unit or #number < 1 or #number > 8 then return nil end
  for i = 1, #number do
    local byte = number:byte(i)
    if byte < 48 or byte > 57 then return nil end
  end
  return tonumber(number) * unit
end

-- Nothing outlasts its session: where the route has a grpc_timeout_header_max, Envoy ends a stream of whatever kind at
-- the deadline that grpc-timeout names, and reads it together with the route.
local function end_with_session(handle, headers, seconds, asked)
  if not seconds or not deadline(seconds .. "S") then return end
  local sooner = asked and deadline(asked)
  -- Whoever reads it may take nothing for no limit.
  if not (sooner and sooner > 0 and sooner <= tonumber(seconds)) then
    headers:replace("grpc-timeout", seconds .. "S")
  end
  handle:clearRouteCache()
end

local SLASH, QUESTION_MARK = 47, 63
local SPACE, DOT, SEMICOLON, BACKSLASH, DELETE = 32, 46, 59, 92, 127

local function is_below(path, prefixes)
  for _, prefix in ipairs(prefixes) do
    local bare = prefix:sub(-1) == "/" and prefix:sub(1, -2) or prefix
    -- Not by searching: paths are the client's, and may be long.
    local after = path:byte(#bare + 1)
    if path:sub(1, #bare) == bare and (after == nil or after == SLASH or after == QUESTION_MARK) then return true end
  end
  return false
end

local function is_protected(path, config)
  return not config.protected_prefixes or is_below(path, config.protected_prefixes)
end

-- An API may find something else at such a path than jwt_authn and the routes do.
local function is_oddly_spelled(path)
  local plain = path:sub(1, (path:find("?", 1, true) or #path + 1) - 1):lower()
  for _, odd in ipairs { "/..", "\\", "%2e", "%2f", "%5c" } do
    if plain:find(odd, 1, true) then return true end
  end
  return false
end

-- The token that a client brought itself, where it may; nil otherwise. It has the characters of a JWT and no others: in
-- "Bearer a,Bearer b" jwt_authn looks at one, and an API perhaps at the other.
local function brought_token(said, config)
  local authorization = said["authorization"]
  if not authorization or not config.machine_prefixes then return nil end
  local path = said[":path"] or ""
  if not is_below(path, config.machine_prefixes) or is_oddly_spelled(path) then return nil end
  if authorization:sub(1, 7):lower() ~= "bearer " then return nil end
  local token = authorization:sub(8)
  if token == "" or #token > MAX_TOKEN_BYTES or token:find("[^%w%-%._]") then return nil end
  return token
end

local function is_anonymous(handle)
  return handle:metadata():get("anonymous") == true
end

-- Whether a segment is dots: some cut path parameters off, some skip controls, and some trim. Overlong UTF-8 is a dot or a
-- slash to some.
local function has_dots(path)
  if path:find("[\192\193]") or path:find("\224[\128-\159]") or path:find("\240[\128-\143]") then return true end
  local dots, others, parameters = 0, false, false
  for i = 1, #path + 1 do
    local byte = path:byte(i)
    if byte == nil or byte == SLASH or byte == BACKSLASH then
      if not others and (dots == 1 or dots == 2) then return true end
      dots, others, parameters = 0, false, false
    elseif byte == SEMICOLON then
      parameters = true
    elseif not parameters and byte > SPACE and byte ~= DELETE then
      if byte == DOT then dots = dots + 1 else others = true end
    end
  end
  return false
end

local function decoded(text)
  local parts, from = {}, 1
  while true do
    local at = text:find("%%%x%x", from)
    if not at then break end
    parts[#parts + 1] = text:sub(from, at - 1)
    parts[#parts + 1] = string.char(tonumber(text:sub(at + 1, at + 2), 16))
    from = at + 3
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts)
end

-- Whether an API may find another path than this one, by decoding it once or twice.
local function leads_elsewhere(path)
  if not path:find("[%%.\\]") then return false end
  local once = decoded(path:sub(1, (path:find("[?#]") or #path + 1) - 1))
  return has_dots(once) or has_dots(decoded(once))
end

-- What no honest client sends to an API, and authtool-bff refuses everywhere.
local function is_refused_outright(handle, said)
  local method = said[":method"]
  if method == "TRACE" or method == "CONNECT" then
    answer(handle, "405", "method_not_allowed", "This method is not allowed here")
    return true
  end
  if leads_elsewhere(said[":path"] or "") then
    answer(handle, "400", "invalid_request", "The path has segments that lead elsewhere")
    return true
  end
  return false
end

-- Who brings a token beside a session that has ended means to be somebody.
local function without_session(handle, config, brought)
  if brought or (config.require_session and not is_anonymous(handle)) then
    answer(handle, "401", "no_session", "You are not logged in")
  end
end

-- Whether a request goes on without any credential while nobody can say whose session it has: where nothing here demands a
-- session. Whatever else authtool-bff answers is a mistake of the configuration, and has to be seen.
local function needs_no_answer(handle, config, status)
  if status and (#status ~= 3 or status:sub(1, 1) ~= "5") then return false end
  return is_anonymous(handle) or not (config.require_session or config.protected_prefixes)
end

local function exchange(handle, config)
  local headers = handle:headers()
  local said, cookies, refused = read(headers, config)
  local protected = is_protected(said[":path"] or "", config)
  if protected and config.exchanged_elsewhere then return end
  local session, count, others, is_changed = sort_cookies(cookies, config)
  local brought = protected and brought_token(said, config)
  for _, name in ipairs(refused) do headers:remove(name) end
  if is_changed then
    headers:remove("cookie")
    if #others > 0 then headers:add("cookie", table.concat(others, "; ")) end
  end
  if not protected then return end
  if is_refused_outright(handle, said) then return end
  if count == 0 and brought then
    -- For jwt_authn, and as it reads it.
    headers:replace("authorization", "Bearer " .. brought)
    handle:streamInfo():dynamicMetadata():set(METADATA, "bearer", true)
    return
  end
  if count == 0 then return without_session(handle, config) end
  -- Somebody else planted one of them, and nobody can say which.
  if count > 1 then return answer(handle, "401", "no_session", "You are not logged in") end
  if not is_from_the_app(said, config) then
    return answer(handle, "403", "forbidden_context", "This request may not be made from here")
  end
  -- No cookie of ours is empty or this long: do not ask about it.
  if session == "" or #session > 256 then return without_session(handle, config, brought) end

  local response_headers, body = ask(handle, config, session, said)
  local status = response_headers and response_headers[":status"]
  if status == "200" then
    local token = token_of(response_headers, body)
    if not token then return unavailable(handle, "the answer of authtool-bff has no token that can be used") end
    -- Anew: Envoy has let go of them while the exchange was under way.
    headers = handle:headers()
    headers:replace("authorization", "Bearer " .. token)
    end_with_session(handle, headers, response_headers[SESSION_ENDS_IN_HEADER], said["grpc-timeout"])
  elseif status == "401" then
    without_session(handle, config, brought)
  elseif not brought and needs_no_answer(handle, config, status) then
    handle:logWarn("token-exchange: authtool-bff answered " .. tostring(status) .. "; the request goes on without a token")
  else
    unavailable(handle, "authtool-bff answered " .. tostring(status), response_headers and response_headers["retry-after"])
  end
end

-- For envoy_on_request.
function token_exchange.on_request(handle, config)
  local ok, problem = pcall(exchange, handle, config)
  -- An error in a script would let the request go on as it is.
  if not ok then unavailable(handle, tostring(problem)) end
end

-- For envoy_on_response: an API neither plants our cookies nor has the browser forget them.
function token_exchange.on_response(handle, config)
  local headers = handle:headers()
  headers:remove("clear-site-data")
  local kept, dropped = {}, false
  for i = 0, headers:getNumValues("set-cookie") - 1 do
    local line = headers:getAtIndex("set-cookie", i)
    local pair = line:sub(1, (line:find(";", 1, true) or #line + 1) - 1)
    local equals = pair:find("=", 1, true) or #pair + 1
    local name = trim(pair:sub(1, equals - 1))
    -- A cookie without a name is sent back as its value alone, which can look like one of ours.
    if name == "" then
      pair = trim(pair:sub(equals + 1))
      name = trim(pair:sub(1, (pair:find("=", 1, true) or #pair + 1) - 1))
    end
    if is_own_cookie(name, config) then dropped = true else kept[#kept + 1] = line end
  end
  if dropped then
    headers:remove("set-cookie")
    for _, line in ipairs(kept) do headers:add("set-cookie", line) end
  end
end

-- Interpreted: compiled traces of a few instructions cost more than they bring, and every request is a coroutine of its
-- own. Not so what runs over the bytes of cookies, which may be many and somebody's malice.
if jit then
  for _, straight in ipairs { is_refused, is_from_a_proxy, read, origin_of, is_from_the_app, ask, token_of, deadline, end_with_session, is_below, is_protected,
    is_oddly_spelled, brought_token, is_anonymous, without_session, needs_no_answer, exchange } do
    jit.off(straight)
  end
end

return token_exchange
