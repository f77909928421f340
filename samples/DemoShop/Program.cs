using DemoShop;

// A small shop to watch. POST /break makes every page answer 503 until POST /repair; /health tells of the process, not of the shop, so that
// a broken shop is not taken for one that has not started.
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
builder.Services.AddSingleton<Shop>();
var app = builder.Build();

app.MapGet("/health", () => "alive");
app.MapPost("/break", (Shop shop) => shop.Break());
app.MapPost("/repair", (Shop shop) => shop.Repair());
var pages = app.MapGroup("").AddEndpointFilter(async (context, next) =>
    context.HttpContext.RequestServices.GetRequiredService<Shop>().IsBroken
        ? Results.Problem("the shop is broken on purpose", statusCode: StatusCodes.Status503ServiceUnavailable)
        : await next(context));
pages.MapGet("/", (Shop shop) => $"Demo shop: {shop.Articles.Count} articles, see /articles\n");
pages.MapGet("/articles", (Shop shop) => shop.Articles);
pages.MapGet("/articles/{id:int}", (int id, Shop shop) => shop.Articles.FirstOrDefault(a => a.Id == id) is { } article ? Results.Ok(article) : Results.NotFound());
pages.MapPost("/articles/{id:int}/order", (int id, Shop shop) => shop.Order(id) is { } left ? Results.Ok(new Ordered(id, left)) : Results.Conflict());

app.Run();
