-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- Counters by client, service and model, as Prometheus reads them.

local limits = require "limits"

local counters = ngx.shared.gateway_counters
local PREFIX = "thor_gateway_"

local _M = {}

local function label(text)
    return (text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"))
end

local function add(metric, labels, value)
    counters:incr(PREFIX .. metric .. "{" .. labels .. "}", value, 0)
end

-- Counts a request that has ended.
function _M.count(request)
    if request.error ~= "" then
        add("refused_total", string.format('client="%s",reason="%s"', request.client, request.error), 1)
    end
    if request.service == "" then return end
    local labels = string.format('client="%s",service="%s",model="%s"', request.client, request.service, label(request.model))
    add("requests_total", labels .. string.format(',status="%d"', request.status), 1)
    add("request_seconds_sum", labels, request.seconds)
    add("request_seconds_count", labels, 1)
    if request.first_byte then
        add("first_byte_seconds_sum", labels, request.first_byte)
        add("first_byte_seconds_count", labels, 1)
    end
    if request.prompt_tokens then add("prompt_tokens_total", labels, request.prompt_tokens) end
    if request.completion_tokens then add("completion_tokens_total", labels, request.completion_tokens) end
end

local HELP = {
    { "requests_total", "counter", "Requests to a service, by status." },
    { "request_seconds", "summary", "Time from the request's arrival to the end of its answer." },
    { "first_byte_seconds", "summary", "Time to the first byte of the engine's answer." },
    { "prompt_tokens_total", "counter", "Tokens of the prompts, as far as answers say." },
    { "completion_tokens_total", "counter", "Tokens of the answers, as far as they say." },
    { "refused_total", "counter", "Requests that the gateway answered with an error, by reason." },
}

-- The page.
function _M.page()
    local keys = counters:get_keys(0)
    table.sort(keys)
    local lines = {}
    for _, help in ipairs(HELP) do
        local name = PREFIX .. help[1]
        lines[#lines + 1] = "# HELP " .. name .. " " .. help[3]
        lines[#lines + 1] = "# TYPE " .. name .. " " .. help[2]
        for _, key in ipairs(keys) do
            local metric = key:match "^[^{]+"
            if metric == name or (help[2] == "summary" and (metric == name .. "_sum" or metric == name .. "_count")) then
                lines[#lines + 1] = key .. " " .. string.format("%.14g", counters:get(key))
            end
        end
    end
    lines[#lines + 1] = "# HELP thor_gateway_active_requests Requests that are being answered."
    lines[#lines + 1] = "# TYPE thor_gateway_active_requests gauge"
    for name, number in pairs(limits.all_active()) do
        lines[#lines + 1] = string.format('thor_gateway_active_requests{client="%s"} %d', name, number)
    end
    return table.concat(lines, "\n") .. "\n"
end

return _M
