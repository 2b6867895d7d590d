-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- What the gateway answers itself: errors in OpenAI's shape, and lists of models.

local _M = {}

-- A JSON text of what a client has sent: it is shown as far as it can be printed.
local function quoted(text)
    return '"' .. text:sub(1, 1000):gsub('[%c\127-\255]', "?"):gsub('[\\"]', "\\%0") .. '"'
end

-- Ends the request with a document. What it has not sent of its body yet is thrown away.
function _M.send(status, content_type, text)
    ngx.req.clear_header "Expect" -- or nginx would invite the body first
    ngx.req.discard_body()
    ngx.status = status
    ngx.header.content_type = content_type
    ngx.header.content_length = #text
    ngx.print(text)
    return ngx.exit(status)
end

local TYPES = { [401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error", [429] = "rate_limit_error" }

-- Ends the request with an error. The code is for programs and for the log; seconds say when a client may try again.
function _M.refuse(status, code, message, param, seconds)
    ngx.var.gateway_error = code
    if status == 401 then ngx.header.www_authenticate = "Bearer" end
    if seconds then ngx.header.retry_after = math.max(1, math.ceil(seconds)) end
    local kind = TYPES[status] or (status < 500 and "invalid_request_error" or "server_error")
    local error = string.format(
        '{"error": {"message": %s, "type": "%s", "param": %s, "code": "%s"}}\n',
        quoted(message), kind, param and quoted(param) or "null", code
    )
    return _M.send(status, "application/json", error)
end

-- Errors that nginx itself finds. The second value is the code; a third one says after how many seconds to try again.
local FOUND_BY_NGINX = {
    [400] = { "This is not a valid request.", "bad_request" },
    [404] = { "There is nothing at this path.", "unknown_path" },
    [405] = { "Only GET and POST are answered here.", "method_not_allowed" },
    [408] = { "The request did not arrive in time.", "request_timeout" },
    [413] = { "The body is larger than this gateway accepts (thor_gateway: body).", "request_too_large" },
    [414] = { "The address is too long.", "bad_request" },
    [431] = { "The headers are too large.", "bad_request" },
    [500] = { "The gateway failed. Its journal says why: journalctl -u thor-gateway", "gateway_failed" },
    [502] = { "The engine ended while it worked on the request, or sent no valid answer.", "engine_failed" },
    [503] = { "The service is not running, or still starts.", "engine_unavailable", 5 },
    [504] = { "The engine did not answer in time.", "engine_timeout" },
}

-- The page for an error of nginx.
function _M.found_by_nginx()
    local status = ngx.status
    -- Nobody listens there. An engine that ended later had accepted the connection.
    if status == 502 and ngx.var.upstream_connect_time == "-" then status = 503 end
    if status == 494 then status = 431 end
    local found = FOUND_BY_NGINX[status] or FOUND_BY_NGINX[400]
    return _M.refuse(status, found[2], found[1], nil, found[3])
end

return _M
