-- What browsers ask for: 200 of them in turn, each with twelve headers of its own, three cookies among them, and two arguments
-- whose values are new in every request. `cargo xtask bench l7 --waf crs` uses it; the path is the one of the address.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "report.lua")

local BROWSERS = 200
local WORDS = { "autumn", "garden", "harbour", "lantern", "meadow", "orchard", "pebble", "river" }
local LANGUAGES = { "en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "fr-FR,fr;q=0.8,en;q=0.5" }
local AGENTS = {
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
   "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
   "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
}

local heads = {}
local path = "/"
local sent = 0

local function pick(list)
   return list[math.random(#list)]
end

local function head()
   local lines = {
      " HTTP/1.1",
      "Host: shop.example.com",
      "User-Agent: " .. pick(AGENTS),
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Accept-Language: " .. pick(LANGUAGES),
      "Accept-Encoding: gzip, deflate, br",
      "Referer: https://shop.example.com/" .. pick(WORDS),
      string.format(
         "Cookie: session=%08x%08x; _ga=GA1.2.%d.%d; theme=%s",
         math.random(0, 2147483647), math.random(0, 2147483647),
         math.random(100000000, 999999999), math.random(1700000000, 1750000000),
         pick({ "dark", "light", "system" })
      ),
      "Cache-Control: max-age=0",
      "Upgrade-Insecure-Requests: 1",
      "Sec-Fetch-Dest: document",
      "Sec-Fetch-Mode: navigate",
      "Sec-Fetch-Site: same-origin",
   }
   return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

function init(args)
   -- The browsers are the same in every run. What they ask for is not: no program may know an answer from an earlier run.
   math.randomseed(7)
   for browser = 1, BROWSERS do
      heads[browser] = head()
   end
   math.randomseed(os.time())
   sent = math.random(0, 1000000000)
   path = wrk.path
end

function request()
   sent = sent + 1
   local query = "?q=" .. pick(WORDS) .. "+" .. sent .. "&page=" .. math.random(100000)
   return "GET " .. path .. query .. heads[sent % BROWSERS + 1]
end
