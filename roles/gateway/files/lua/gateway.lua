-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- The way of a request: its key, its path, its limits, its model, and the engine that it goes to.

local ffi = require "ffi"
local answer = require "answer"
local answers = require "answers"
local clients = require "clients"
local counters = require "counters"
local engine_keys = require "engine_keys"
local limits = require "limits"
local metrics = require "metrics"
local model_name = require "model_name"
local services = require "services"

-- OpenSSL's, which nginx brings along.
ffi.cdef "unsigned char *SHA256(const unsigned char *text, size_t size, unsigned char *digest);"
local digest = ffi.new "unsigned char[32]"

local WAKING_SECONDS = 10 -- how long a client that does not wait for a sleeping service is told to stay away
local ROOM_SECONDS = 5 -- likewise, until large bodies of others may have been answered
local METHODS = {
    ["chat/completions"] = "POST", completions = "POST", responses = "POST", messages = "POST", embeddings = "POST",
    rerank = "POST", ["audio/transcriptions"] = "POST", models = "GET",
}

local by_name, by_model = {}, {}
for _, service in ipairs(services) do
    by_name[service.name] = service
    for _, model in ipairs(service.models) do by_model[model.id] = service end
end

local _M = {}

local function sha256(text)
    ffi.C.SHA256(text, #text, digest)
    return (ffi.string(digest, 32):gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

-- The client whose key the request carries, as OpenAI's clients send it or as Anthropic's do.
local function authenticate()
    local address = ngx.var.remote_addr
    local key = (ngx.var.http_authorization or ""):match "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)%s*$" or ngx.var.http_x_api_key
    if not key or key == "" then
        return answers.refuse(401, "missing_api_key", "This gateway needs a key: send the header 'Authorization: Bearer KEY'.")
    end
    local client = clients[sha256(key)]
    if client and limits.is_welcome(address, client) then
        limits.welcome(address, client)
        ngx.var.gateway_client = client.name
        return client
    end
    local seconds = limits.wrong_key(address)
    if client or seconds then
        return answers.refuse(429, "too_many_wrong_keys", "Too many wrong keys came from your address.", nil, seconds or 60)
    end
    return answers.refuse(401, "invalid_api_key", "The key is not one of this gateway's.")
end

-- Whether the client may use a model of a service; without a model, all of the service.
local function may_use(client, service, model)
    return client.all or client.services[service.name] or (model ~= nil and client.models[model] == true)
end

-- The models that a client may use, each as JSON: of one service, or of all.
local function visible(client, only)
    local found = {}
    for _, service in ipairs(services) do
        for _, model in ipairs((not only or service == only) and service.models or {}) do
            if may_use(client, service, model.id) then found[#found + 1] = model end
        end
    end
    return found
end

local function list_models(client, only)
    local entries = {}
    for position, model in ipairs(visible(client, only)) do entries[position] = model.entry end
    return answers.send(200, "application/json", '{"object": "list", "data": [' .. table.concat(entries, ", ") .. "]}\n")
end

local function unknown_model(client, name)
    local known = {}
    for position, model in ipairs(visible(client)) do known[position] = model.id end
    local message = "There is no model '%s' here. Your key may use: %s."
    return answers.refuse(404, "model_not_found", message:format(name, table.concat(known, ", ")), "model")
end

local function forbidden(name)
    return answers.refuse(403, "model_not_allowed", ("Your key may not use '%s'."):format(name), "model")
end

-- The service that the body asks for, and its model.
local function service_of_body(client, endpoint)
    local name, reason = model_name.of_request(endpoint == "audio/transcriptions")
    if not name then
        return answers.refuse(400, "invalid_body", "Cannot tell which model the request is for: " .. reason .. ".", "model")
    end
    local service = by_model[name]
    if not service then return unknown_model(client, name) end
    if not may_use(client, service, name) then return forbidden(name) end
    -- It was read as JSON, so the engine reads it as JSON: some read a form where the client calls it one, and one body can be both.
    if endpoint ~= "audio/transcriptions" then ngx.var.gateway_content_type = "application/json" end
    return service, name
end

-- Whether somebody listens on an address.
local function is_open(address)
    local socket = ngx.socket.tcp()
    socket:settimeout(500)
    local host, port = address:match "^(.*):(%d+)$"
    local connected = socket:connect(host, tonumber(port))
    socket:close()
    return connected ~= nil
end

-- A service that sleeps is woken by whatever connects to its port. Who does not want to wait for it comes back later.
local function wake(service)
    local prefer = (ngx.var.http_prefer or ""):lower()
    if not service.engine or not prefer:find("respond-async", 1, true) or is_open(service.engine) then return end
    is_open(service.backend)
    local message = ("%s sleeps and is being started."):format(service.name)
    return answers.refuse(503, "service_starting", message, nil, WAKING_SECONDS)
end

-- Sends the request to an engine, with the engine's own key.
local function pass_to(backend, target, key)
    ngx.var.gateway_backend = backend
    ngx.var.gateway_target = target
    ngx.var.gateway_engine_authorization = key and "Bearer " .. key or ""
end

local function show_metrics(client, name)
    if not client.metrics then
        return answers.refuse(403, "metrics_not_allowed", "Your key may not read metrics.")
    end
    if ngx.req.get_method() ~= "GET" then return answers.refuse(405, "method_not_allowed", "Metrics are read with GET.") end
    if name == "gateway" then return answers.send(200, "text/plain; version=0.0.4; charset=utf-8", counters.page()) end
    local page = metrics[name]
    if not page then return answers.refuse(404, "unknown_path", "There are no metrics of this name.") end
    -- nginx would log an error for each reading of a service that sleeps.
    if not is_open(page.backend) then
        return answers.refuse(503, "engine_unavailable", ("%s is not running."):format(name), nil, WAKING_SECONDS)
    end
    return pass_to(page.backend, page.path, engine_keys[name])
end

-- The path as a service and an endpoint. The first is nil for the path that all services share, the second for paths of nobody.
local function route()
    local endpoint = ngx.var.uri:match "^/v1/(.+)$"
    if endpoint then return nil, METHODS[endpoint] and endpoint end
    local name
    name, endpoint = ngx.var.uri:match "^/([^/]+)/v1/(.+)$"
    return by_name[name or ""], by_name[name or ""] and METHODS[endpoint] and endpoint
end

-- Holds a place of the client until the request has ended, if it may send one more.
local function admit(client)
    local seconds = limits.too_fast(client)
    if seconds then
        local message = ("Your key may send %d requests a minute."):format(client.requests_per_minute)
        return answers.refuse(429, "rate_limit_exceeded", message, nil, seconds)
    end
    if not limits.enter(client) then
        local message = ("Your key may have %d requests answered at a time."):format(client.concurrency)
        return answers.refuse(429, "concurrency_exceeded", message, nil, 1)
    end
    ngx.var.gateway_holds_place = "yes"
end

-- Reads the body. It lies in memory until the answer has ended, so there must be room for it.
local function read_body(client)
    local in_chunks = ngx.var.http_transfer_encoding ~= nil
    local bytes = limits.reserve(client, not in_chunks and (tonumber(ngx.var.content_length) or 0) or nil)
    if not bytes then
        local message = "The gateway has no memory left for a body of this size: too many large ones are being answered."
        return answers.refuse(503, "no_room", message, nil, ROOM_SECONDS)
    end
    ngx.var.gateway_reserved = bytes
    ngx.req.read_body()
    if in_chunks then
        local received = ngx.req.get_body_file() and tonumber(ngx.var.request_length) or 0
        ngx.var.gateway_reserved = limits.settle(client, bytes, received)
    end
end

-- Decides on a request before its body is read, and then by the body.
function _M.access()
    local method = ngx.req.get_method()
    ngx.var.gateway_method = method
    if method ~= "GET" and method ~= "POST" then
        return answers.refuse(405, "method_not_allowed", "Only GET and POST are answered here; other web pages' scripts are not.")
    end
    local client = authenticate()
    local figures = ngx.var.uri:match "^/metrics/([^/]+)$"
    if figures then return show_metrics(client, figures) end
    local service, endpoint = route()
    if not endpoint then return answers.refuse(404, "unknown_path", "There is nothing at this path.") end
    ngx.var.gateway_endpoint = endpoint
    if method ~= METHODS[endpoint] then
        return answers.refuse(405, "method_not_allowed", ("%s is asked with %s."):format(endpoint, METHODS[endpoint]))
    end
    if endpoint == "models" then return list_models(client, service) end
    if service and not may_use(client, service) then return forbidden(service.name) end
    admit(client)
    read_body(client)
    local model
    if service then model = service.models[1].id else service, model = service_of_body(client, endpoint) end
    ngx.var.gateway_service = service.name
    ngx.var.gateway_model = model
    local target = service.paths[endpoint]
    if not target then
        return answers.refuse(404, "unknown_path", ("%s does not answer %s."):format(model, endpoint), "model")
    end
    wake(service)
    ngx.ctx.is_watched = true
    return pass_to(service.backend, target, engine_keys[service.name])
end

-- Writes down a request that has ended.
function _M.log()
    local variables = ngx.var
    if variables.gateway_holds_place == "yes" then limits.leave(variables.gateway_client) end
    local bytes = tonumber(variables.gateway_reserved)
    if bytes and bytes > 0 then limits.release(variables.gateway_client, bytes) end
    local prompt, completion = answer.tokens()
    if prompt then variables.gateway_prompt_tokens = prompt end
    if completion then variables.gateway_completion_tokens = completion end
    counters.count {
        client = variables.gateway_client,
        service = variables.gateway_service,
        model = variables.gateway_model,
        error = variables.gateway_error,
        status = ngx.status,
        seconds = tonumber(variables.request_time),
        first_byte = tonumber(variables.gateway_first_byte),
        prompt_tokens = prompt,
        completion_tokens = completion,
    }
end

return _M
